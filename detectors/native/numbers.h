/* Numbers in one piece, by field: onepiece and fieldcount. */

/* Delimiters of one kind in front of a place that moves on: see column(). */
typedef struct {
    int64_t upto, total;
    int64_t line, at_line;       /* the last line end, and the total there */
    int64_t bracket, at_bracket; /* the last opening bracket */
    int64_t list;                /* where the list that is open begins */
} Walk;

typedef struct {
    Text text;
    int64_t size;
    Walk walks[4];
} Buffer;

static inline uint8_t byte_at(const Buffer *b, int64_t at)
{
    return at >= 0 && at < b->size ? b->text[at] : 0;
}

static inline Word load(const Buffer *b, int64_t at)
{
    Word word = 0;
    if (__builtin_expect(at >= 0 && at + 8 <= b->size, 1))
        memcpy(&word, b->text + at, 8);
    else
        for (int i = 0; i < 8; i++)
            word |= (Word)byte_at(b, at + i) << (8 * i);
    return word; /* little-endian, as the twin: see the check in PyInit */
}

/* Luhn sums of eight digits in four 16-bit lanes: runs._lanes. */
static inline Word lanes(Word word)
{
    Word twice = (word & 0x000F000F000F000F) << 1;
    Word carry = ((twice + 0x0006000600060006) >> 4) & 0x0001000100010001;
    return ((word & 0x0F000F000F000F00) >> 8) + twice - carry * 9;
}

static inline int luhn_ok(const Buffer *b, int64_t start, int length)
{
    int64_t end = start + length;
    Word total = lanes(load(b, end - 8));
    if (length > 16)
        total += lanes(load(b, end - 16)) + lanes(load(b, start) << ((24 - length) * 8));
    else
        total += lanes(load(b, start) << ((16 - length) * 8));
    return (total * 0x0001000100010001 >> 48) % 10 == 0;
}

/* Which digits belong to what stands in front: onepiece._strip. */
static int strip(const Buffer *b, int64_t *start, int *length)
{
    int64_t at = *start;
    int size = *length, chip = 0;
    uint8_t one = byte_at(b, at - 1), behind = byte_at(b, at + size);
    int letter = (one >= 'A' && one <= 'F') || (one >= 'a' && one <= 'f');
    if (letter || one == '%' || one == 'u' || one == 'x') {
        uint8_t two = byte_at(b, at - 2);
        int off = one == '%' ? 2 : 0;
        if (letter && two == '%')
            off = 1;
        if (letter && byte_at(b, at - 5) == '\\' && byte_at(b, at - 4) == 'u')
            off = 1;
        if (one == 'u' && two == '\\')
            off = 4;
        if (one == 'x' && two == '\\')
            off = 2;
        if (behind == '^')
            off = 0; /* track 1 begins with %B */
        int left = size - off;
        if (one == 'A' && two == '5' && byte_at(b, at) == '0') { /* 5A, length in bytes, PAN */
            int shown = 2 * (byte_at(b, at + 1) & 15);
            off = 2;
            left = left - 2 < shown ? left - 2 : shown;
            chip = 1;
        }
        if (one == 'A' && two == '0' && byte_at(b, at - 3) == 'A' && byte_at(b, at - 4) == '5')
            chip = 1;
        at += off;
        size = left;
    }
    if (behind == 'D' && size >= 16 && size <= 23 && byte_at(b, at) == '5'
        && byte_at(b, at + 1) == '7' && byte_at(b, at + 2) <= '1') {
        at += 4; /* 57, length in bytes, PAN, D */
        size -= 4;
        chip = 1;
    }
    *start = at;
    *length = size;
    return chip;
}

#define BYTES(value) ((Word)(value) * 0x0101010101010101u)

static inline Word after(Word word, Word ends)
{
    ends |= ends >> 8;
    ends |= ends >> 16;
    ends |= ends >> 32;
    return word & ~((ends >> 7) * 0xFF);
}

enum { REACH = 1024, UNKNOWN = 1 << 20 };

static inline int is_quote(uint8_t byte)
{
    return byte == '"' || byte == '\'';
}

static int twelve_digits(const Buffer *b, int64_t at, int step)
{
    for (int digit = 0; digit < 12; digit++)
        if (byte_at(b, at + step * digit) - '0' > 9u)
            return 0;
    return 1;
}

/* Whether the value before the one at ``at`` is a long number, too: fieldcount._after_a_number. */
static int after_a_number(const Buffer *b, int64_t at, uint8_t delimiter)
{
    at--;
    for (int i = 0; i < 2; i++)
        at -= is_quote(byte_at(b, at)) || byte_at(b, at) == ' ';
    if (byte_at(b, at--) != delimiter)
        return 0;
    return twelve_digits(b, at - is_quote(byte_at(b, at)), -1);
}

/* Whether a number that ends at ``at`` is followed by another: fieldcount._before_a_number. */
static int before_a_number(const Buffer *b, int64_t at)
{
    at += is_quote(byte_at(b, at));
    if (byte_at(b, at++) != ',')
        return 0;
    for (int i = 0; i < 2; i++)
        at += is_quote(byte_at(b, at)) || byte_at(b, at) == ' ';
    return twelve_digits(b, at, 1);
}

/* Delimiters between the start of the line and a place, or since the last bracket; UNKNOWN for
   what follows its like in a list: fieldcount._column. Numbers come in order, so each byte is
   walked over once a delimiter. */
static int64_t column(Buffer *b, int64_t at, uint8_t delimiter)
{
    Walk *walk = &b->walks[delimiter == ',' ? 0 : delimiter == '\t' ? 1 : delimiter == ';' ? 2 : 3];
    if (at < walk->upto || at - walk->upto > 4 * REACH || (walk->upto == 0 && walk->total == 0)) {
        memset(walk, 0, sizeof *walk);
        walk->line = walk->bracket = walk->list = -2 * REACH;
        walk->upto = at > REACH ? at - REACH : 0;
    }
    for (int64_t i = walk->upto; i < at; i++) {
        uint8_t byte = b->text[i];
        if (byte == '\n') {
            walk->line = i;
            walk->at_line = walk->total;
            walk->list = -2 * REACH;
        } else if (byte == '(') {
            walk->bracket = i;
            walk->at_bracket = walk->total;
        } else if (byte == '[' || byte == ']') {
            walk->list = byte == '[' ? i : -2 * REACH;
        }
        walk->total += byte == delimiter;
    }
    walk->upto = at;
    if (at - walk->list <= REACH && after_a_number(b, at, delimiter))
        return UNKNOWN;
    if (at - walk->line <= REACH)
        return walk->total - walk->at_line;
    if (walk->line < 0 && at < REACH)
        return walk->total; /* the first line has no line end in front of it */
    return at - walk->bracket <= REACH ? walk->total - walk->at_bracket : UNKNOWN;
}

/* Every digit becomes 0: fieldcount._without_digits. */
static inline Word without_digits(Word word)
{
    const Word low7 = BYTES(0x7F), high = BYTES(0x80);
    Word x = word ^ BYTES(0x30);
    Word other = (((x & low7) + BYTES(0x76)) | x) & high;
    return word & ~(((other ^ high) >> 7) * 0x0F);
}

typedef struct {
    int64_t sign, field;
    int by_column; /* not by the eight bytes in front alone */
} Place;

/* What a number of ``size`` digits stands under, ``word`` being the eight bytes in front of it
   without digits: fieldcount.places. */
static Place place(Buffer *b, int64_t start, int size, Word word, Text kinds)
{
    const Word low7 = BYTES(0x7F);
    int by_column = 0;
    uint8_t before = word >> 56;
    int quoted = before == '"' || before == '\'';
    if (quoted)
        before = word >> 48;
    if (before == ' ') { /* ": 4111" and ", '4111" belong to the colon and the comma */
        uint8_t further = quoted ? word >> 40 : word >> 48, inner = quoted ? word >> 32 : word >> 40;
        if (further == '"')
            further = inner;
        if (further == ',' || further == ':' || further == '=')
            before = further;
    }
    if (before == '=' || before == ':') {
        Word keeps = ((word & low7) + BYTES(0x53)) | word;
        word = after(word, ~keeps & 0x0000008080808080u);
    } else {
        Word line = word ^ BYTES('\n');
        word = after(word, ~(((line & low7) + low7) | line | low7));
        int first = before == '[' && before_a_number(b, start + size);
        if (first)
            before = ','; /* the first of a list is one like the others */
        by_column = before == ',' || before == '\t' || before == ';' || before == '|';
        if (by_column)
            word = (Word)(first ? UNKNOWN : column(b, start, before)) + ((Word)before << 32);
        else if (before == '\n' || before == '\r' || before == 0)
            word = '\n';
    }
    Word group = ((Word)(size - 12) << 4) + kinds[before];
    word = (word ^ ((Word)size << 58)) * 0x9E3779B97F4A7C15u;
    Word fine = ((word ^ (word >> 29)) * 0xBF58476D1CE4E5B9u) >> (64 - 13);
    return (Place){(int64_t)word, (int64_t)(1 + ((group << 13) | fine)), by_column};
}

/* Counts under a number, in order of first sight. */
enum { SIGN, FIELD, SEEN, GOOD, ZERO, INSIDE, INSIDE_GOOD, COLUMNS };

/* ``recent`` saves finding the row again where one line is like the next. */
typedef struct {
    Rows *rows; /* COLUMNS each */
    Word seed;
    uint32_t *index;
    size_t room;
    struct { Word word; int size; int64_t entry; } recent[64];
} Counts;

/* Seeded, so that nobody can write a log whose fields all fall into one slot. */
static inline size_t slot_of(const Counts *counts, int64_t sign, int64_t field)
{
    Word key = ((Word)sign ^ (Word)field ^ counts->seed) * 0xBF58476D1CE4E5B9u;
    key = (key ^ (key >> 31)) * 0x94D049BB133111EBu;
    return (key ^ (key >> 29)) & (counts->room - 1);
}

static int more_room(Counts *counts)
{
    size_t entries = counts->rows->count / COLUMNS;
    size_t room = counts->room ? counts->room * 4 : 256;
    uint32_t *index = calloc(room, sizeof *index);
    if (index == NULL)
        return 0;
    free(counts->index);
    counts->index = index;
    counts->room = room;
    for (size_t i = 0; i < entries; i++) {
        const int64_t *row = counts->rows->at + i * COLUMNS;
        size_t slot = slot_of(counts, row[SIGN], row[FIELD]);
        while (index[slot])
            slot = (slot + 1) & (room - 1);
        index[slot] = (uint32_t)i + 1;
    }
    return 1;
}

/* The row of a signature and field, made when it is new; -1 when memory ran out. */
static int64_t row_of(Counts *counts, int64_t sign, int64_t field)
{
    size_t entries = counts->rows->count / COLUMNS;
    if (2 * entries >= counts->room && !more_room(counts)) {
        counts->rows->failed = 1;
        return -1;
    }
    size_t slot = slot_of(counts, sign, field);
    for (; counts->index[slot]; slot = (slot + 1) & (counts->room - 1)) {
        int64_t entry = (int64_t)counts->index[slot] - 1;
        const int64_t *row = counts->rows->at + entry * COLUMNS;
        if (row[SIGN] == sign && row[FIELD] == field)
            return entry;
    }
    counts->index[slot] = (uint32_t)entries + 1;
    push_row(counts->rows, COLUMNS, (int64_t[COLUMNS]){[SIGN] = sign, [FIELD] = field});
    return counts->rows->failed ? -1 : (int64_t)entries;
}

/* The row of the place a number stands under; -1 when memory ran out. */
static inline __attribute__((always_inline)) int64_t row_under(Counts *counts, Buffer *b, int64_t start, int size, Text kinds)
{
    Word word = without_digits(load(b, start - 8));
    size_t slot = ((word ^ (Word)size << 58) * 0x9E3779B97F4A7C15u) >> 58;
    if (counts->recent[slot].size == size && counts->recent[slot].word == word)
        return counts->recent[slot].entry;
    Place under = place(b, start, size, word, kinds);
    int64_t entry = row_of(counts, under.sign, under.field);
    if (entry >= 0 && !under.by_column) {
        counts->recent[slot].word = word;
        counts->recent[slot].size = size;
        counts->recent[slot].entry = entry;
    }
    return entry;
}

static inline unsigned four_digits(Text text)
{
    uint32_t word;
    memcpy(&word, text, 4);
    word &= 0x0F0F0F0F;
    word = (word * 10 + (word >> 8)) & 0x00FF00FF;
    return (word * 100 + (word >> 16)) & 0xFFFF;
}

enum { IS_GOOD = 1, IS_ZERO = 2, IS_STRIPE = 4, IS_CHIP = 8 };

/* A search for numbers: what it was given, what it gives, and what waits to be looked at. */
enum { BATCH = 64 * TILE / 12 + 8 };

typedef struct {
    Buffer buffer;
    const Wanted *wanted;
    Numbers *out;
    Counts fields;
    int64_t waiting[BATCH]; /* start, and the length in the lowest byte */
    size_t count;
} Search;

static int issued_by_four(const Search *search, int64_t start, int length)
{
    unsigned first = four_digits(search->buffer.text + start);
    return search->wanted->some[first] >> (length - 12) & 1; /* the four are digits */
}

/* Digits five and six of a number decide: it is issued by its first six alone, or those who give
   out such numbers without a check digit are among the first four's. */
static int issued_by_six(Text digits, unsigned first, int length, const Wanted *wanted)
{
    unsigned prefix = first * 100 + (digits[4] & 15) * 10 + (digits[5] & 15);
    return wanted->issued[prefix] >> (length - 12) & 1;
}

static int may_lack_luhn(Text digits, unsigned first)
{
    return first - 6200 < 100 || (first == 5010 && digits[4] == '8' && digits[5] <= '2');
}

/* A number of 12 to 19 digits whose first four are issued. */
static inline __attribute__((always_inline)) void one_number(
    Search *search, int64_t start, int length, int chip)
{
    Buffer *b = &search->buffer;
    const Wanted *wanted = search->wanted;
    Text digits = b->text + start;
    unsigned first = four_digits(digits);
    if (start < wanted->first || start >= wanted->last)
        return;
    if (!(wanted->all[first] >> (length - 12) & 1)
        && !issued_by_six(digits, first, length, wanted))
        return;
    uint8_t behind = byte_at(b, start + length);
    int good = luhn_ok(b, start, length);
    int zero = length == 16 && digits[15] == '0';
    int stripe = behind == '^' || behind == '=' || behind == 'D';
    int inside = start >= wanted->lo && start < wanted->hi;
    int64_t entry = row_under(&search->fields, b, start, length, wanted->before);
    if (entry < 0)
        return;
    int64_t *row = search->out->fields.at + entry * COLUMNS;
    row[SEEN]++;
    row[GOOD] += good;
    row[ZERO] += zero;
    row[INSIDE] += inside;
    row[INSIDE_GOOD] += inside & good;
    if (good | zero | stripe || may_lack_luhn(digits, first)) {
        int flags = good * IS_GOOD | zero * IS_ZERO | stripe * IS_STRIPE | chip * IS_CHIP;
        push_row(&search->out->taken, 4, (int64_t[]){start, length, flags, entry});
    }
}

static void look_at_waiting(Search *search)
{
    for (size_t i = 0; i < search->count; i++)
        one_number(search, search->waiting[i] >> 8, (int)(search->waiting[i] & 255), 0);
    search->count = 0;
}

/* Digits written in hexadecimal, 34313131 for 4111: onepiece._long. */
static int hex_phase(const Buffer *b, int64_t start, int phase)
{
    for (int step = 0; step < 64; step += 8) {
        int all = 1;
        for (int i = phase; i < 8; i += 2)
            all &= byte_at(b, start + step + i) == '3';
        if (all)
            return 1;
    }
    return 0;
}

/* A run of digits beside which something stands that may change what it is. */
static void unusual_run(Search *search, int64_t start, int length)
{
    Buffer *b = &search->buffer;
    look_at_waiting(search); /* numbers are given in their order */
    if (length >= 24 && start >= search->wanted->first - 64 && start < search->wanted->last)
        for (int phase = 0; phase < 2; phase++)
            if (hex_phase(b, start, phase))
                push(&search->out->hexes, start + phase);
    uint8_t behind = byte_at(b, start + length);
    if (byte_at(b, start - 1) == '.' && (behind == 'E' || behind == 'e'))
        push_row(&search->out->floats, 2, (int64_t[]){start, length});
    int chip = strip(b, &start, &length);
    if (length >= 12 && length <= 19 && issued_by_four(search, start, length))
        one_number(search, start, length, chip);
}

static inline int is_unusual(uint8_t before, uint8_t behind)
{
    static const uint8_t marks[256] = {
        ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['u'] = 1, ['x'] = 1,
        ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['U'] = 1, ['X'] = 1,
        ['%'] = 1, ['.'] = 1,
    };
    return marks[before] | (behind == 'D');
}

/* ``inner``: nothing that is looked at lies outside the text. */
static inline __attribute__((always_inline)) void look_at_runs(
    Search *search, const Tile *tile, int64_t begin, int count, int inner)
{
    const Buffer *b = &search->buffer;
    Text text = b->text + begin, some = search->wanted->some;
    int64_t *waiting = search->waiting + search->count;
    uint32_t places[PLACES];
    int runs = all_places(tile->runs, count, places);
    for (int i = 0; i < runs; i++) {
        int64_t at = places[i], start = begin + at;
        Word map = map_from(tile, places[i]);
        int length = lowest(~map); /* 64 for 64 and more */
        if (length >= 12) {
            uint8_t front = inner ? text[at - 1] : byte_at(b, start - 1);
            uint8_t behind = inner ? text[at + length] : byte_at(b, start + length);
            if (length > 19 || is_unusual(front, behind)) {
                search->count = (size_t)(waiting - search->waiting);
                unusual_run(search, start, length);
                waiting = search->waiting;
            } else {
                /* no branch: which numbers are issued cannot be foretold */
                *waiting = start << 8 | length;
                waiting += some[four_digits(text + at)] >> (length - 12) & 1;
            }
        }
        if (length < 16
            && begins_group(b->text, b->size, start, length, map, search->wanted->behind))
            push_row(&search->out->groups, 3, (int64_t[]){start, length, (int64_t)map});
    }
    search->count = (size_t)(waiting - search->waiting);
    look_at_waiting(search);
}

static void numbers(Text text, size_t size, const Wanted *wanted, Word seed, Numbers *out)
{
    Blocks blocks = {.text = text, .size = size};
    Search search = {
        .buffer = {.text = text, .size = (int64_t)size},
        .wanted = wanted,
        .out = out,
        .fields = {.rows = &out->fields, .seed = seed},
    };
    Tile tile;
    Word before = 0;
    for (size_t begin = 0; begin < size; begin += 64 * TILE) {
        size_t left = (size - begin + 63) / 64;
        int count = left < TILE ? (int)left : TILE;
        map_digits(&tile, &blocks, begin, count, before);
        before = tile.digits[count];
        find_runs(&tile, count);
        if (begin && begin + 64 * TILE + 64 < size)
            look_at_runs(&search, &tile, (int64_t)begin, count, 1);
        else
            look_at_runs(&search, &tile, (int64_t)begin, count, 0);
    }
    free(search.fields.index);
}
