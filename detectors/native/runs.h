/* Digit runs that may begin a number in groups or with escapes in it: runs.tokens and the first
   tests of layouts.grouped. */

enum { PLAIN = 1, LINE = 2, ESCAPE = 3 };

/* ``map`` says which of the 64 bytes from ``at`` on are digits. */
static int begins_group(Text text, size_t size, size_t at, int length, Word map, Text kinds)
{
    uint8_t lead = at + length < size ? text[at + length] : 0;
    uint8_t kind = kinds[lead];
    if (!kind)
        return 0;
    if (kind != ESCAPE && at + length + 1 < size) { /* most often a word follows */
        uint8_t next = text[at + length + 1];
        if (next < 0x80 && !is_digit(next) && !kinds[next])
            return 0;
    }
    Word behind = map >> (length + 1);
    Word need = lead == '\n' && length >= 5 && length <= 7 ? 31 : 15;
    int follows = (behind & need) == need || ((behind & 0x1FF) && !(behind & 1));
    if (!follows)
        return 0;
    if (length == 4 && lead == '\n' && (behind & 0x1EF) != 0x1EF && (behind & 0x3DF) != 0x3DF
        && (behind & 0x7BF) != 0x7BF && (behind & 0xFF) != 0xFF)
        return 0; /* a year on the next line */
    Word rest = map >> length;
    int gap = lowest(rest);
    if (kind == ESCAPE && gap <= 9)
        return 1;
    if (gap > 4)
        return 0;
    Word second = rest >> gap;
    need = (lead == '\n' || lead == '\r') && length >= 5 && length <= 7 ? 31 : 15;
    if ((second & need) != need || (length > 8 && kind != LINE))
        return 0;
    for (int i = 0; i < gap; i++) { /* nothing a separator or line end cannot be made of */
        uint8_t byte = text[at + length + i];
        if (byte < 0x80 && !kinds[byte])
            return 0;
    }
    return 1;
}
