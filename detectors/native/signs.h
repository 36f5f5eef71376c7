/* Signatures of encodings (encodings.SignFinder), names of authentication data
   (sadnames.NameFinder), masks (masks.MaskFinder). */

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

/* Base64 places; and for each piece of the size given, with the block behind it, so that no number
   is cut in two: its NULs, its high bytes, its digits in EBCDIC. */
static void signs(Text text, size_t size, size_t piece, Rows *base64, Rows *pieces)
{
    Blocks blocks = {.text = text, .size = size};
    Word now = size ? range_flags(block(&blocks, 0), 'M', 2) : 0;
    for (size_t at = 0; at < size; at += 64) {
        int first = at % piece == 0;
        for (int i = 0; first && i < SORTS; i++)
            push(pieces, 0);
        Word next = at + 64 < size ? range_flags(block(&blocks, at + 64), 'M', 2) : 0;
        Word leads = now & (now >> 4 | next << 60) & (now >> 8 | next << 56);
        now = next;
        for (; leads; leads &= leads - 1) {
            size_t place = at + __builtin_ctzll(leads);
            if (base64_digits(text + place, size - place))
                push(base64, (int64_t)place);
        }
        Text here = block(&blocks, at);
        if (!odd_flags(here) || pieces->failed)
            continue;
        Word valid = size - at >= 64 ? ~(Word)0 : ((Word)1 << (size - at)) - 1;
        int seen[SORTS] = {
            __builtin_popcountll(range_flags(here, 0, 0) & valid),
            __builtin_popcountll(high_flags(here)),
            __builtin_popcountll(range_flags(here, 0xF0, 9)),
        };
        int64_t *row = pieces->at + pieces->count - SORTS;
        for (int i = 0; i < SORTS; i++) {
            row[i] += seen[i];
            if (first && at)
                row[i - SORTS] += seen[i];
        }
    }
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

static void names(Text text, size_t size, Rows *places)
{
    Blocks blocks = {.text = text, .size = size};
    for (size_t at = 0; at < size; at += 64)
        for (Word hits = name_flags(block(&blocks, at)); hits; hits &= hits - 1) {
            size_t place = at + __builtin_ctzll(hits);
            if (place < size && is_name(text + place, size - place))
                push(places, (int64_t)place);
        }
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

static void masks(Text text, size_t size, Rows *places)
{
    Blocks blocks = {.text = text, .size = size};
    Word before = 0, now = size ? mask_flags(block(&blocks, 0)) : 0;
    for (size_t at = 0; at < size; at += 64) {
        Word high = high_flags(block(&blocks, at));
        Word next = at + 64 < size ? mask_flags(block(&blocks, at + 64)) : 0;
        Word rows = now & ~(now << 1 | before >> 63); /* where a row begins */
        for (int step = 1; step < 4; step++)
            rows &= now >> step | next << (64 - step);
        for (; rows; rows &= rows - 1) {
            size_t place = at + __builtin_ctzll(rows);
            if (digit_near(&blocks, place))
                push(places, (int64_t)place);
        }
        for (; high; high &= high - 1) {
            size_t place = at + __builtin_ctzll(high);
            if (is_bullet(&blocks, place) && is_bullet(&blocks, place + 3)
                && is_bullet(&blocks, place + 6) && is_bullet(&blocks, place + 9)
                && !(place >= 3 && is_bullet(&blocks, place - 3)) && digit_near(&blocks, place))
                push(places, (int64_t)place);
        }
        before = now;
        now = next;
    }
}
