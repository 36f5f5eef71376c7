#include "trail.h"
#include <stdlib.h>

/* --- memory ----------------------------------------------------------------------------------- */

static void *push(List *list, size_t size)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 1024;
        void *at = realloc(list->at, room * size);
        if (at == NULL) {
            list->failed = 1;
            return NULL;
        }
        list->at = at;
        list->room = room;
        list->size = size;
    }
    return (uint8_t *)list->at + size * list->count++;
}

static uint64_t mixed(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9u;
    number = (number ^ (number >> 27)) * 0x94D049BB133111EBu;
    return number ^ (number >> 31);
}

static uint64_t hashed(const uint8_t *at, size_t size, uint64_t seed)
{
    uint64_t hash = seed ^ size, part;
    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&part, at, 8);
        hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    part = 0;
    memcpy(&part, at, size);
    return mixed(hash ^ part);
}

enum { CROWDED = 256 };

/* A table of places in a list, by the hash of what stands there. */
typedef struct {
    uint32_t *slots; /* place + 1, 0: empty */
    size_t size;     /* a power of two */
} Table;

/* Makes room for one more item; 0: memory ran out. */
static int grown(Table *table, size_t count, uint64_t (*hash_of)(const void *, size_t),
                 const void *items)
{
    if (2 * (count + 1) < table->size)
        return 1;
    size_t size = table->size ? 2 * table->size : 4096;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return 0;
    for (size_t item = 0; item < count; item++) {
        size_t place = hash_of(items, item) & (size - 1);
        while (slots[place])
            place = (place + 1) & (size - 1);
        slots[place] = (uint32_t)item + 1;
    }
    free(table->slots);
    *table = (Table){slots, size};
    return 1;
}

/* --- the parts of a record -------------------------------------------------------------------- */

enum { ID, SHARED, TIME, SOURCE, NAME, CATEGORY, TEXTS };

typedef struct {
    Span texts[TEXTS], identity, bucket, key, recipient, resources;
    int64_t sent;
    unsigned had; /* members that came, as bits: one that comes twice is odd */
    int odd;
    int recipient_odd; /* no text that says what it looks like */
} Record;

enum { ERROR = TEXTS, IDENTITY, PARAMETERS, ADDITIONAL, BUCKET, KEY, SENT, RECIPIENT, RESOURCES };

typedef struct {
    const char *name;
    uint8_t size, what;
} Member;

#define MEMBER(name, what) {name, sizeof name - 1, what}

static const Member of_record[] = {
    MEMBER("eventTime", TIME), MEMBER("eventName", NAME), MEMBER("eventID", ID),
    MEMBER("eventSource", SOURCE), MEMBER("eventCategory", CATEGORY),
    MEMBER("userIdentity", IDENTITY), MEMBER("requestParameters", PARAMETERS),
    MEMBER("additionalEventData", ADDITIONAL), MEMBER("sharedEventID", SHARED),
    MEMBER("errorCode", ERROR), MEMBER("resources", RESOURCES),
    MEMBER("recipientAccountId", RECIPIENT), {NULL, 0, 0},
};
static const Member of_parameters[] = {
    MEMBER("bucketName", BUCKET), MEMBER("key", KEY), {NULL, 0, 0},
};
static const Member of_additional[] = {MEMBER("bytesTransferredOut", SENT), {NULL, 0, 0}};

static int which(Record *record, const Member *members, Span name)
{
    if (!name.plain) {
        record->odd = 1; /* it may be one of them, spelt otherwise */
        return -1;
    }
    for (const Member *each = members; each->name != NULL; each++)
        if (each->size == name.size && memcmp(each->name, name.at, name.size) == 0) {
            record->odd |= (record->had >> each->what) & 1;
            record->had |= 1u << each->what;
            return each->what;
        }
    return -1;
}

/* A text that says what it looks like; null is none; all else is odd. */
static int text(Cursor *c, Record *record, Span *found)
{
    if (is(c, '"')) {
        if (!string(c, found))
            return 0;
        record->odd |= !found->plain;
        return 1;
    }
    record->odd |= !is(c, 'n');
    return value(c, 1);
}

/* A number of bytes under 1 TiB, maybe with zeros behind a point. */
static int bytes(Cursor *c, Record *record)
{
    const uint8_t *at = c->at;
    record->odd |= c->at < c->end && !is_digit(c) && *at != 'n';
    if (!value(c, 1))
        return 0;
    if (record->odd || *at == 'n')
        return 1;
    int64_t count = 0;
    for (; at < c->at && *at >= '0' && *at <= '9'; at++) {
        count = 10 * count + (*at - '0');
        if (count >= (int64_t)1 << 40) {
            record->odd = 1;
            return 1;
        }
    }
    if (at < c->at && *at == '.')
        for (at++; at < c->at && *at == '0'; at++)
            ;
    record->odd |= at != c->at;
    record->sent = count;
    return 1;
}

/* Any value. */
static int as_it_stands(Cursor *c, Span *found)
{
    found->at = c->at;
    if (!value(c, 1))
        return 0;
    found->size = (size_t)(c->at - found->at);
    return 1;
}

static int part(Cursor *c, Record *record, int what);

/* The members of an object, or null; anything else is odd. */
static int members(Cursor *c, Record *record, const Member *wanted)
{
    if (!take(c, '{')) {
        record->odd |= !is(c, 'n');
        return value(c, 1);
    }
    blanks(c);
    if (take(c, '}'))
        return 1;
    for (;;) {
        Span named;
        if (!name(c, &named) || !part(c, record, which(record, wanted, named)))
            return 0;
        blanks(c);
        if (take(c, '}'))
            return 1;
        if (!take(c, ','))
            return 0;
    }
}

static int part(Cursor *c, Record *record, int what)
{
    switch (what) {
    case ERROR:
        record->odd |= !is(c, 'n');
        return value(c, 1);
    case IDENTITY:
        return as_it_stands(c, &record->identity);
    case RESOURCES:
        return as_it_stands(c, &record->resources);
    case RECIPIENT:
        if (is(c, '"')) {
            if (!string(c, &record->recipient))
                return 0;
            record->recipient_odd = !record->recipient.plain;
            return 1;
        }
        record->recipient_odd = !is(c, 'n');
        return value(c, 1);
    case PARAMETERS:
        return members(c, record, of_parameters);
    case ADDITIONAL:
        return members(c, record, of_additional);
    case BUCKET:
        return text(c, record, &record->bucket);
    case KEY:
        return text(c, record, &record->key);
    case SENT:
        return bytes(c, record);
    case -1:
        return value(c, 2);
    default:
        return text(c, record, &record->texts[what]);
    }
}

static int says(Span span, const char *text)
{
    return span.at != NULL && span.size == strlen(text) && memcmp(span.at, text, span.size) == 0;
}

/* --- whose bucket it is ------------------------------------------------------------------------ */

typedef struct {
    Span kind, arn, account; /* none where there is no text */
} Resource;

/* A resource of a record, of which it is known that it is JSON. 0: something of it is not plain. */
static int resource(Cursor *c, Resource *found)
{
    *found = (Resource){0};
    if (!take(c, '{'))
        return 0;
    blanks(c);
    if (take(c, '}'))
        return 1;
    for (;;) {
        Span named;
        if (!name(c, &named) || !named.plain)
            return 0;
        Span *wanted = says(named, "type") ? &found->kind : says(named, "ARN") ? &found->arn
            : says(named, "accountId") ? &found->account : NULL;
        if (wanted != NULL && (wanted->at != NULL || (is(c, '"') && !string(c, wanted))
                               || (wanted->at != NULL && !wanted->plain)))
            return 0;
        if ((wanted == NULL || wanted->at == NULL) && !value(c, 1))
            return 0;
        blanks(c);
        if (take(c, '}'))
            return 1;
        if (!take(c, ','))
            return 0;
    }
}

/* Whether an ARN is that of a bucket. */
static int is_of(Span arn, Span bucket)
{
    static const char before[] = ":::";
    size_t size = sizeof before - 1;
    return arn.at != NULL && arn.size >= bucket.size + size
        && memcmp(arn.at + arn.size - bucket.size, bucket.at, bucket.size) == 0
        && memcmp(arn.at + arn.size - bucket.size - size, before, size) == 0;
}

/* The account of the bucket of a read, as cloudtrail._owner: that of the resource which is the
   bucket, else of the trail. OWNER_ASKED: something of the record is not plain. */
static int owner(const Record *record, Span *found)
{
    Cursor c = {record->resources.at, record->resources.at + record->resources.size};
    if (c.at != NULL && !is(&c, 'n')) {
        if (!take(&c, '['))
            return OWNER_ASKED;
        blanks(&c);
        if (!take(&c, ']'))
            for (;;) {
                Resource each;
                if (!resource(&c, &each))
                    return OWNER_ASKED;
                if (found->at == NULL && says(each.kind, "AWS::S3::Bucket")
                    && each.account.at != NULL && is_of(each.arn, record->bucket))
                    *found = each.account;
                blanks(&c);
                if (take(&c, ']'))
                    break;
                if (!take(&c, ','))
                    return OWNER_ASKED;
                blanks(&c);
            }
    }
    if (found->at != NULL)
        return OWNER_TOLD;
    if (record->recipient_odd)
        return OWNER_ASKED;
    *found = record->recipient;
    return OWNER_TRAIL;
}

/* --- plain reads ------------------------------------------------------------------------------ */

static int two(const uint8_t *at)
{
    int tens = at[0] - '0', ones = at[1] - '0';
    return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : 10 * tens + ones;
}

/* 2026-03-01T00:00:00Z as seconds since 1970; 0 for anything else. */
static int moment(Span span, int64_t *found)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const uint8_t *at = span.at;
    if (at == NULL || span.size != 20 || at[4] != '-' || at[7] != '-' || at[10] != 'T'
        || at[13] != ':' || at[16] != ':' || at[19] != 'Z')
        return 0;
    int high = two(at), low = two(at + 2), month = two(at + 5), day = two(at + 8);
    int hour = two(at + 11), minute = two(at + 14), second = two(at + 17);
    if (high < 0 || low < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23
        || minute < 0 || minute > 59 || second < 0 || second > 59)
        return 0;
    int year = 100 * high + low;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || day > lengths[month - 1] + (month == 2 && leap))
        return 0;
    int before = year - 1, days = 365 * before + before / 4 - before / 100 + before / 400 + day - 1;
    for (int each = 1; each < month; each++)
        days += lengths[each - 1] + (each == 2 && leap);
    *found = ((int64_t)days - 719162) * 86400 + 3600 * hour + 60 * minute + second;
    return 1;
}

enum { UUID = 36 };

/* As book.events_hashed. */
static uint64_t event_number(Span id)
{
    uint64_t words[5] = {0}, number = 0;
    memcpy(words, id.at, UUID);
    for (int each = 0; each < 5; each++)
        number = mixed(number ^ words[each]);
    return number ? number : 1;
}

typedef struct {
    const uint8_t *text;
    Buckets buckets;
    uint64_t seed;
    Table groups, keys;
    List group_hashes; /* uint64_t */
    Trail *out;
} Reader;

static uint64_t hash_of_key(const void *items, size_t item)
{
    return ((const Known *)items)[item].hash;
}

static uint64_t hash_of_group(const void *items, size_t item)
{
    return ((const uint64_t *)items)[item];
}

/* The place of a key among those known; 0: memory ran out or the table is crowded. */
static int key_place(Reader *reader, Span key, uint32_t *found)
{
    List *keys = &reader->out->keys;
    if (!grown(&reader->keys, keys->count, hash_of_key, keys->at)) {
        keys->failed = 1;
        return 0;
    }
    uint64_t hash = hashed(key.at, key.size, reader->seed);
    size_t last = reader->keys.size - 1, place = hash & last;
    for (int tries = 0; reader->keys.slots[place]; place = (place + 1) & last) {
        const Known *known = (const Known *)keys->at + (reader->keys.slots[place] - 1);
        if (known->hash == hash && known->text.size == key.size
            && memcmp(known->text.at, key.at, key.size) == 0) {
            *found = reader->keys.slots[place] - 1;
            return 1;
        }
        if (++tries > CROWDED)
            return 0;
    }
    Known *made = push(keys, sizeof *made);
    if (made == NULL)
        return 0;
    *made = (Known){key, hash};
    *found = (uint32_t)keys->count - 1;
    reader->keys.slots[place] = *found + 1;
    return 1;
}

/* {-1, -1} where there is none. */
static Place place_of(const Reader *reader, Span span)
{
    int64_t start = span.at - reader->text;
    return span.at == NULL ? (Place){-1, -1} : (Place){start, start + (int64_t)span.size};
}

static int group_place(Reader *reader, const Record *read, size_t bucket, Place record,
                       uint32_t *found)
{
    Span identity = read->identity;
    List *groups = &reader->out->groups, *hashes = &reader->group_hashes;
    if (!grown(&reader->groups, groups->count, hash_of_group, hashes->at)) {
        groups->failed = 1;
        return 0;
    }
    uint64_t hash = hashed(identity.at, identity.size, reader->seed + bucket);
    size_t last = reader->groups.size - 1, place = hash & last;
    for (int tries = 0; reader->groups.slots[place]; place = (place + 1) & last) {
        size_t item = reader->groups.slots[place] - 1;
        const Group *known = (const Group *)groups->at + item;
        if (((const uint64_t *)hashes->at)[item] == hash && known->bucket == (int64_t)bucket
            && (size_t)(known->identity.end - known->identity.start) == identity.size
            && memcmp(reader->text + known->identity.start, identity.at, identity.size) == 0) {
            *found = (uint32_t)item;
            return 1;
        }
        if (++tries > CROWDED)
            return 0;
    }
    Group *made = push(groups, sizeof *made);
    uint64_t *noted = push(hashes, sizeof *noted);
    if (made == NULL || noted == NULL) {
        groups->failed = 1;
        return 0;
    }
    Span whose = {0};
    int told = owner(read, &whose);
    *made = (Group){place_of(reader, identity), record, (int64_t)bucket, told,
                    place_of(reader, whose)};
    *noted = hash;
    *found = (uint32_t)groups->count - 1;
    reader->groups.slots[place] = *found + 1;
    return 1;
}

/* Whether a name is that of a bucket itself, not of an access point. */
static int is_bucket(Span span)
{
    static const char alias[] = "-s3alias";
    size_t size = sizeof alias - 1;
    return !(span.size >= 4 && memcmp(span.at, "arn:", 4) == 0)
        && !(span.size >= size && memcmp(span.at + span.size - size, alias, size) == 0);
}

/* Notes a record that is a plain read. -1: it is none; 0: give up. */
static int plain(Reader *reader, const Record *record, Place place)
{
    const Span *texts = record->texts;
    Span id = texts[SHARED].at != NULL && texts[SHARED].size ? texts[SHARED] : texts[ID];
    int64_t when;
    if (record->odd || !says(texts[CATEGORY], "Data") || !says(texts[SOURCE], "s3.amazonaws.com")
        || !(says(texts[NAME], "GetObject") || says(texts[NAME], "SelectObjectContent")
             || says(texts[NAME], "GetObjectTorrent"))
        || record->bucket.at == NULL || !moment(texts[TIME], &when))
        return -1;
    size_t bucket = 0;
    for (; bucket < reader->buckets.count; bucket++) {
        Span wanted = reader->buckets.at[bucket];
        if (wanted.size == record->bucket.size
            && memcmp(wanted.at, record->bucket.at, wanted.size) == 0)
            break;
    }
    if (bucket == reader->buckets.count) {
        if (!is_bucket(record->bucket))
            return -1;
        int64_t *made = push(&reader->out->elsewhere, sizeof *made);
        if (made == NULL)
            return 0;
        *made = when;
        return 1;
    }
    if (id.at == NULL || id.size != UUID || record->key.at == NULL || record->identity.at == NULL)
        return -1;
    Read read = {0, 0, event_number(id), when, record->sent, place};
    if (!group_place(reader, record, bucket, place, &read.group)
        || !key_place(reader, record->key, &read.key))
        return 0;
    Read *made = push(&reader->out->events, sizeof *made);
    if (made == NULL)
        return 0;
    *made = read;
    return 1;
}

/* --- the file --------------------------------------------------------------------------------- */

static int one(Cursor *c, Reader *reader)
{
    Record record = {.sent = -1};
    const uint8_t *start = c->at;
    record.odd = !is(c, '{');
    if (!(record.odd ? value(c, 1) : members(c, &record, of_record)))
        return 0;
    Place place = {start - reader->text, c->at - reader->text};
    int noted = plain(reader, &record, place);
    if (noted >= 0)
        return noted;
    Place *made = push(&reader->out->rest, sizeof *made);
    if (made == NULL)
        return 0;
    *made = place;
    return 1;
}

static int whole(Cursor *c, Reader *reader)
{
    Span named;
    blanks(c);
    if (!take(c, '{') || !name(c, &named) || !named.plain || !says(named, "Records")
        || !take(c, '['))
        return 0;
    blanks(c);
    if (!take(c, ']'))
        for (;;) {
            if (!one(c, reader))
                return 0;
            blanks(c);
            if (take(c, ']'))
                break;
            if (!take(c, ','))
                return 0;
            blanks(c);
        }
    blanks(c);
    if (!take(c, '}'))
        return 0;
    blanks(c);
    return c->at == c->end;
}

int trail_read(const uint8_t *text, size_t size, Buckets buckets, uint64_t seed, Trail *out)
{
    Cursor c = {text, text + size};
    Reader reader = {.text = text, .buckets = buckets, .seed = seed, .out = out};
    int read = whole(&c, &reader);
    free(reader.groups.slots);
    free(reader.keys.slots);
    free(reader.group_hashes.at);
    if (out->events.failed || out->elsewhere.failed || out->groups.failed || out->keys.failed
        || out->rest.failed)
        return -1;
    return read;
}
