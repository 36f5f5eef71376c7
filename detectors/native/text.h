/* Blocks of 64 bytes and their flags: one bit a byte. Part of the kernel. */

#include <stdlib.h>
#include <string.h>
#include "kernel.h"
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Room for ``width`` more values; NULL when memory ran out. */
static inline int64_t *more(Rows *rows, size_t width)
{
    if (rows->count + width > rows->room) {
        size_t room = rows->room ? rows->room * 2 : 256;
        int64_t *at = realloc(rows->at, room * sizeof *at);
        if (at == NULL) {
            rows->failed = 1;
            return NULL;
        }
        rows->at = at;
        rows->room = room;
    }
    rows->count += width;
    return rows->at + rows->count - width;
}

static inline void push(Rows *rows, int64_t value)
{
    int64_t *row = more(rows, 1);
    if (row != NULL)
        *row = value;
}

static inline void push_row(Rows *rows, size_t width, const int64_t *values)
{
    int64_t *row = more(rows, width);
    if (row != NULL)
        memcpy(row, values, width * sizeof *row);
}

static inline int lowest(Word word) { return word ? __builtin_ctzll(word) : 64; }
static inline int is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

/* --- flags of 64 bytes -------------------------------------------------------------------------- */

#if defined(__AVX2__)
typedef __m256i Lane;
enum { WIDTH = 32 };
#define LOAD(at) _mm256_loadu_si256((const Lane *)(at))
#define ALL(value) _mm256_set1_epi8((char)(value))
#define EQUAL(a, b) _mm256_cmpeq_epi8((a), (b))
#define ABOVE(a, b) _mm256_cmpgt_epi8((a), (b))
#define LEAST(a, b) _mm256_min_epu8((a), (b))
#define LESS(a, b) _mm256_sub_epi8((a), (b))
#define AND(a, b) _mm256_and_si256((a), (b))
#define OR(a, b) _mm256_or_si256((a), (b))
#define FLAGS(lane) ((Word)(uint32_t)_mm256_movemask_epi8(lane))
#elif defined(__SSE2__)
typedef __m128i Lane;
enum { WIDTH = 16 };
#define LOAD(at) _mm_loadu_si128((const Lane *)(at))
#define ALL(value) _mm_set1_epi8((char)(value))
#define EQUAL(a, b) _mm_cmpeq_epi8((a), (b))
#define ABOVE(a, b) _mm_cmpgt_epi8((a), (b))
#define LEAST(a, b) _mm_min_epu8((a), (b))
#define LESS(a, b) _mm_sub_epi8((a), (b))
#define AND(a, b) _mm_and_si128((a), (b))
#define OR(a, b) _mm_or_si128((a), (b))
#define FLAGS(lane) ((Word)(uint32_t)_mm_movemask_epi8(lane))
#else /* byte by byte, on any machine */
typedef uint8_t Lane;
enum { WIDTH = 1 };
#define LOAD(at) (*(const uint8_t *)(at))
#define ALL(value) ((uint8_t)(value))
#define EQUAL(a, b) ((uint8_t)-((a) == (b)))
#define ABOVE(a, b) ((uint8_t)-((int8_t)(a) > (int8_t)(b)))
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define LESS(a, b) ((uint8_t)((a) - (b)))
#define AND(a, b) ((uint8_t)((a) & (b)))
#define OR(a, b) ((uint8_t)((a) | (b)))
#define FLAGS(lane) ((Word)((lane) >> 7))
#endif

#define IS(lane, value) EQUAL((lane), ALL(value))
#define SMALL(lane) OR((lane), ALL(0x20))
#define EACH(i) for (int i = 0; i < 64; i += WIDTH)

/* Bytes from ``low`` to ``low + width``. */
static inline Word range_flags(Text text, uint8_t low, uint8_t width)
{
    Word flags = 0;
    EACH(i) {
        Lane moved = LESS(LOAD(text + i), ALL(low));
        flags |= FLAGS(EQUAL(LEAST(moved, ALL(width)), moved)) << i;
    }
    return flags;
}

static inline Word high_flags(Text text)
{
    Word flags = 0;
    EACH(i) flags |= FLAGS(LOAD(text + i)) << i;
    return flags;
}

/* Reads blocks of 64 bytes, and up to AHEAD bytes more, as if NULs followed the text. */
enum { AHEAD = 32 };

typedef struct {
    Text text;
    size_t size;
    uint8_t edge[64 + AHEAD];
} Blocks;

static inline Text block(Blocks *blocks, size_t at)
{
    if (at + 64 + AHEAD <= blocks->size)
        return blocks->text + at;
    memset(blocks->edge, 0, sizeof blocks->edge);
    if (at < blocks->size)
        memcpy(blocks->edge, blocks->text + at,
               blocks->size - at < sizeof blocks->edge ? blocks->size - at : sizeof blocks->edge);
    return blocks->edge;
}

