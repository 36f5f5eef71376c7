/* A strict reader of JSON over bytes: what it lets through is JSON, byte for byte. It copies nothing
   and reads only between `at` and `end`. Every function says 0 for what is no JSON (or is nested
   deeper than any record), after which the place means nothing. */

#ifndef CARDTRAIL_JSON_H
#define CARDTRAIL_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef struct {
    const uint8_t *at, *end;
} Cursor;

/* What stands between the quotes of a string; `at` is NULL where there is none. */
typedef struct {
    const uint8_t *at;
    size_t size;
    int plain; /* ASCII without a backslash: it says what it looks like */
} Span;

enum { DEEPEST = 64 };

static inline void blanks(Cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static inline int is(const Cursor *c, uint8_t byte)
{
    return c->at < c->end && *c->at == byte;
}

static inline int take(Cursor *c, uint8_t byte)
{
    if (!is(c, byte))
        return 0;
    c->at++;
    return 1;
}

static inline int is_digit(const Cursor *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static inline int is_hex(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'f');
}

/* Past a backslash and what belongs to it. */
static inline int escape(Cursor *c)
{
    c->at++;
    if (c->at >= c->end)
        return 0;
    uint8_t which = *c->at++;
    if (which != 'u')
        return which != 0 && strchr("\"\\/bfnrt", which) != NULL;
    if (c->end - c->at < 4)
        return 0;
    for (int i = 0; i < 4; i++)
        if (!is_hex(*c->at++))
            return 0;
    return 1;
}

/* From the opening quote to behind the closing one. */
static inline int string(Cursor *c, Span *found)
{
    if (!take(c, '"'))
        return 0;
    const uint8_t *start = c->at;
    int plain = 1;
    for (;;) {
#if defined(__SSE2__)
        const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
        const __m128i control = _mm_set1_epi8(0x1F);
        while (c->end - c->at >= 16) {
            __m128i part = _mm_loadu_si128((const __m128i *)c->at);
            int stop = _mm_movemask_epi8(_mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(part, quote), _mm_cmpeq_epi8(part, slash)),
                _mm_cmpeq_epi8(_mm_min_epu8(part, control), part)));
            int high = _mm_movemask_epi8(part);
            if (stop) {
                int place = __builtin_ctz((unsigned)stop);
                plain &= !(high & ((1 << place) - 1));
                c->at += place;
                break;
            }
            plain &= !high;
            c->at += 16;
        }
#endif
        if (c->at >= c->end || *c->at < 0x20)
            return 0;
        if (*c->at == '"')
            break;
        if (*c->at == '\\') {
            plain = 0;
            if (!escape(c))
                return 0;
            continue;
        }
        plain &= *c->at < 0x80;
        c->at++;
    }
    *found = (Span){start, (size_t)(c->at - start), plain};
    c->at++;
    return 1;
}

static inline int word(Cursor *c, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, text, size) != 0)
        return 0;
    c->at += size;
    return 1;
}

static inline int number(Cursor *c)
{
    take(c, '-');
    if (!is_digit(c))
        return 0;
    if (!take(c, '0'))
        while (is_digit(c))
            c->at++;
    if (take(c, '.')) {
        if (!is_digit(c))
            return 0;
        while (is_digit(c))
            c->at++;
    }
    if (is(c, 'e') || is(c, 'E')) {
        c->at++;
        if (!take(c, '+'))
            take(c, '-');
        if (!is_digit(c))
            return 0;
        while (is_digit(c))
            c->at++;
    }
    return 1;
}

/* Past any value. */
static inline int value(Cursor *c, int depth)
{
    if (c->at >= c->end || depth > DEEPEST)
        return 0;
    Span text;
    switch (*c->at) {
    case '"':
        return string(c, &text);
    case 't':
        return word(c, "true");
    case 'f':
        return word(c, "false");
    case 'n':
        return word(c, "null");
    case '{':
    case '[':
        break;
    default:
        return number(c);
    }
    int object = *c->at++ == '{';
    uint8_t last = object ? '}' : ']';
    blanks(c);
    if (take(c, last))
        return 1;
    for (;;) {
        if (object) {
            if (!string(c, &text))
                return 0;
            blanks(c);
            if (!take(c, ':'))
                return 0;
            blanks(c);
        }
        if (!value(c, depth + 1))
            return 0;
        blanks(c);
        if (take(c, last))
            return 1;
        if (!take(c, ','))
            return 0;
        blanks(c);
    }
}

/* Past the name of a member, the colon and the blanks behind it. */
static inline int name(Cursor *c, Span *found)
{
    blanks(c);
    if (!string(c, found))
        return 0;
    blanks(c);
    if (!take(c, ':'))
        return 0;
    blanks(c);
    return 1;
}

#endif
