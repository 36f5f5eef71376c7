/* What several detectors look for, in one pass: signatures of encodings
   (encodings.SignFinder), names of authentication data (sadnames.NameFinder), masks
   (masks.MaskFinder). */

typedef struct {
    Word names; /* ``cv`` or ``pin`` begins, in any case */
    Word masks; /* a character that digits are masked with */
    Word leads; /* M, N, O, with which base64 of digits begins */
    Word odd;   /* NUL, or not ASCII */
} Flags;

/* Reads two bytes more than the block. */
static inline Flags flags_of(Text text)
{
    Flags flags = {0, 0, 0, 0};
    EACH(i) {
        Lane raw = LOAD(text + i), one = SMALL(raw);
        Lane two = SMALL(LOAD(text + i + 1)), three = SMALL(LOAD(text + i + 2));
        Lane pin = AND(AND(IS(one, 'p'), IS(two, 'i')), IS(three, 'n'));
        flags.names |= FLAGS(OR(AND(IS(one, 'c'), IS(two, 'v')), pin)) << i;
        flags.masks |= FLAGS(OR(OR(IS(raw, '*'), IS(raw, '#')), IS(one, 'x'))) << i;
        Lane moved = LESS(raw, ALL('M'));
        flags.leads |= FLAGS(EQUAL(LEAST(moved, ALL(2)), moved)) << i;
        flags.odd |= FLAGS(ABOVE(ALL(1), raw)) << i;
    }
    return flags;
}

static const char *const QUAD[4] = {"MNO", "DTjz", "AEIMQUYcgk", "wxyz012345"};

static int base64_digits(Text text, size_t left)
{
    if (left < 12)
        return 0;
    for (int i = 0; i < 12; i++)
        if (text[i] == 0 || strchr(QUAD[i & 3], text[i]) == NULL)
            return 0;
    return 1;
}

static int is_name(Text text, size_t left)
{
    if (left < 3)
        return 0;
    uint8_t third = text[2] | 32;
    if ((text[0] | 32) == 'c')
        return third == 'v' || third == 'c' || third == 'n';
    uint8_t fourth = left > 3 ? text[3] : 0;
    return fourth == 'b' || fourth == 'B' || fourth == '_' || fourth == '-' || fourth == ' ';
}

static int digit_near(const Blocks *blocks, size_t at)
{
    for (size_t step = 4; step <= 32 && at + step < blocks->size; step++)
        if (is_digit(blocks->text[at + step]))
            return 1;
    return 0;
}

static int is_bullet(const Blocks *blocks, size_t at)
{
    return at + 3 <= blocks->size && memcmp(blocks->text + at, "\xE2\x80\xA2", 3) == 0;
}

/* The places of a row of four bullets, which ends where a digit is near. */
static void bullets(const Blocks *blocks, size_t at, Word high, Rows *places)
{
    for (; high; high &= high - 1) {
        size_t place = at + (size_t)__builtin_ctzll(high);
        if (is_bullet(blocks, place) && is_bullet(blocks, place + 3)
            && is_bullet(blocks, place + 6) && is_bullet(blocks, place + 9)
            && !(place >= 3 && is_bullet(blocks, place - 3)) && digit_near(blocks, place))
            push(places, (int64_t)place);
    }
}

/* Adds up the NULs, the high bytes and the digits in EBCDIC of a block for the piece it is in, and
   where it is the first of that, for the one before, so that no number is cut in two. */
static void count_odd(Text here, Word valid, int first, Rows *pieces)
{
    int seen[SORTS] = {
        __builtin_popcountll(range_flags(here, 0, 0) & valid),
        __builtin_popcountll(high_flags(here)),
        __builtin_popcountll(range_flags(here, 0xF0, 9)),
    };
    int64_t *row = pieces->at + pieces->count - SORTS;
    for (int i = 0; i < SORTS; i++) {
        row[i] += seen[i];
        if (first && pieces->count > SORTS)
            row[i - SORTS] += seen[i];
    }
}

static void marks(Text text, size_t size, size_t piece, Marks *out)
{
    Blocks blocks = {.text = text, .size = size};
    Flags now = {0, 0, 0, 0}, next = size ? flags_of(block(&blocks, 0)) : now;
    Word before = 0;
    for (size_t at = 0; at < size; at += 64) {
        before = now.masks >> 63;
        now = next;
        next = at + 64 < size ? flags_of(block(&blocks, at + 64)) : (Flags){0, 0, 0, 0};
        int first = at % piece == 0;
        if (first)
            push_row(&out->pieces, SORTS, (int64_t[SORTS]){0});
        Word leads = now.leads & (now.leads >> 4 | next.leads << 60);
        Word rows = now.masks & (now.masks >> 1 | next.masks << 63);
        if (!(leads | rows | now.names | now.odd))
            continue;
        leads &= now.leads >> 8 | next.leads << 56;
        for (; leads; leads &= leads - 1) {
            size_t place = at + (size_t)__builtin_ctzll(leads);
            if (base64_digits(text + place, size - place))
                push(&out->base64, (int64_t)place);
        }
        for (; now.names; now.names &= now.names - 1) {
            size_t place = at + (size_t)__builtin_ctzll(now.names);
            if (place < size && is_name(text + place, size - place))
                push(&out->names, (int64_t)place);
        }
        rows &= ~(now.masks << 1 | before); /* where a row begins */
        rows &= now.masks >> 2 | next.masks << 62;
        rows &= now.masks >> 3 | next.masks << 61;
        for (; rows; rows &= rows - 1) {
            size_t place = at + (size_t)__builtin_ctzll(rows);
            if (digit_near(&blocks, place))
                push(&out->masks, (int64_t)place);
        }
        if (now.odd && !out->pieces.failed) {
            Text here = block(&blocks, at);
            Word valid = size - at >= 64 ? ~(Word)0 : ((Word)1 << (size - at)) - 1;
            count_odd(here, valid, first, &out->pieces);
            bullets(&blocks, at, high_flags(here), &out->masks);
        }
    }
}

static size_t lines(Text text, size_t size)
{
    size_t at = 0, count = 0;
    for (; at + 64 <= size; at += 64)
        count += (size_t)__builtin_popcountll(range_flags(text + at, '\n', 0));
    for (; at < size; at++)
        count += text[at] == '\n';
    return count;
}
