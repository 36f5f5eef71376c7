/* Digit maps of some blocks, and what follows from them for 64 places at a time: where a run begins
   that is long enough for a number, or may begin one in groups (runs.Prefilter). */

enum { TILE = 64 }; /* blocks: what is kept of one stays in the nearest cache */

typedef struct {
    Word digits[TILE + 3]; /* of the block before, the blocks, and one behind; then zeros */
    Word runs[TILE];       /* a run begins here that is a number by its length, or may begin one
                              in groups */
} Tile;

/* Bit i says what bit i + step of the row of words says. */
#define AHEAD_BY(row, i, step) ((row)[i] >> (step) | (row)[(i) + 1] << (64 - (step)))

/* Maps ``count`` blocks from ``at`` on; ``before`` is the map of the block in front of them. */
static void map_digits(Tile *tile, Blocks *blocks, size_t at, int count, Word before)
{
    tile->digits[0] = before;
    for (int i = 0; i <= count; i++) {
        size_t place = at + 64 * (size_t)i;
        tile->digits[i + 1] = place < blocks->size ? range_flags(block(blocks, place), '0', 9) : 0;
    }
    tile->digits[count + 2] = 0;
}

/* The bits of a word reach 19 bytes ahead, so that one word behind it is enough. */
static void find_runs(Tile *tile, int count)
{
    Word two[TILE + 2], four[TILE + 2], eight[TILE + 2], first[TILE + 2], near[TILE + 2];
    const Word *digits = tile->digits + 1;
    int all = count + 1;
    two[all] = four[all] = eight[all] = first[all] = near[all] = 0;
    for (int i = 0; i < all; i++)
        two[i] = digits[i] & AHEAD_BY(digits, i, 1);
    for (int i = 0; i < all; i++)
        four[i] = two[i] & AHEAD_BY(two, i, 2);
    for (int i = 0; i < all; i++)
        eight[i] = four[i] & AHEAD_BY(four, i, 4);
    for (int i = 0; i < all; i++)
        first[i] = four[i] & ~(digits[i] << 1 | digits[i - 1] >> 63);
    /* where one begins within 4, then 8 bytes */
    for (int i = 0; i < all; i++)
        two[i] = first[i] | AHEAD_BY(first, i, 1);
    for (int i = 0; i < all; i++)
        near[i] = two[i] | AHEAD_BY(two, i, 2);
    for (int i = 0; i < all; i++)
        two[i] = near[i] | AHEAD_BY(near, i, 4);
    for (int i = 0; i < count; i++) {
        Word soon = AHEAD_BY(two, i, 1) | AHEAD_BY(two, i, 9) | AHEAD_BY(near, i, 16);
        tile->runs[i] = first[i] & (eight[i] | soon);
    }
}

/* The places of bits, as offsets from ``at``, written to ``out``, which needs room for 64 more. */
static inline int places_of(Word bits, uint32_t at, uint32_t *out)
{
    int count = 0;
    for (; bits; bits &= bits - 1)
        out[count++] = at + (uint32_t)__builtin_ctzll(bits);
    return count;
}

/* The places of all bits of a tile. */
enum { PLACES = 64 * TILE / 4 + 64 };

static int all_places(const Word *bits, int count, uint32_t *out)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        if (bits[i])
            found += places_of(bits[i], 64 * (uint32_t)i, out + found);
    return found;
}

/* The digit map from a place of a tile on. */
static inline Word map_from(const Tile *tile, uint32_t at)
{
    const Word *digits = tile->digits + 1 + at / 64;
    unsigned bit = at % 64;
    return digits[0] >> bit | digits[1] << 1 << (63 - bit);
}
