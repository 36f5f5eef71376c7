/* The passes over every byte, compiled. What each finds, and why, is said beside its twin over arrays
   (runs, layouts, onepiece, fieldcount, encodings, masks, sadnames), which runs where this is not
   built. Tests hold the two against each other.

   Nothing here knows Python, keeps anything between calls or writes to the text. Only places and
   counts come out, as rows of 64-bit words. */

#ifndef CARDTRAIL_KERNEL_H
#define CARDTRAIL_KERNEL_H

#include <stddef.h>
#include <stdint.h>

typedef const uint8_t *Text;
typedef uint64_t Word;

typedef struct {
    int64_t *at;
    size_t count, room;
    int failed; /* memory ran out: the rows are not whole */
} Rows;

/* Starts wanted, starts counted by field; the lengths that some and that all prefixes of six digits
   which begin with four digits are issued in, and those of each of six; what a character in front of a number is (fieldcount.KINDS) and what one behind a
   group may begin (layouts.KIND). */
typedef struct {
    int64_t first, last, lo, hi;
    Text some, all, issued, before, behind;
} Wanted;

typedef struct {
    Rows taken;  /* start, length, flags, place in fields */
    Rows fields; /* signature, number, and the counts of it */
    Rows hexes;  /* start */
    Rows floats; /* start, length */
    Rows groups; /* start, length, map of digits */
} Numbers;

enum { NULS, HIGH, MAINFRAME, SORTS };

typedef struct {
    Rows base64; /* place */
    Rows pieces; /* of so many bytes: how many are NUL, are not ASCII, are digits in EBCDIC */
    Rows names;  /* place */
    Rows masks;  /* place, not in order where bullets are among them */
} Marks;

typedef struct {
    void (*numbers)(Text text, size_t size, const Wanted *wanted, Word seed, Numbers *out);
    void (*marks)(Text text, size_t size, size_t piece, Marks *out);
    size_t (*lines)(Text text, size_t size); /* line ends */
} Kernel;

extern const Kernel kernel_plain; /* what every machine of the architecture can do */
#if defined(__x86_64__)
#define CARDTRAIL_AVX2 1
extern const Kernel kernel_avx2;
#endif

#endif
