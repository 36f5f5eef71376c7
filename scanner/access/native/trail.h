/* What is found in a file of CloudTrail: plain reads in columns, and what has to be looked at. */

#ifndef CARDTRAIL_TRAIL_H
#define CARDTRAIL_TRAIL_H

#include "json.h"

typedef struct {
    void *at;
    size_t count, room, size; /* of one item */
    int failed;               /* memory ran out */
} List;

typedef struct {
    List events;    /* Read, one a plain read of a wanted bucket */
    List elsewhere; /* int64_t, seconds since 1970: plain reads of other buckets */
    List groups;    /* Group */
    List keys;      /* Known: the different keys */
    List rest;      /* Place: every other record */
} Trail;

typedef struct {
    int64_t start, end; /* in the text */
} Place;

typedef struct {
    uint32_t group, key;
    uint64_t event; /* of its id, never 0 */
    int64_t moment; /* seconds since 1970 */
    int64_t sent;   /* -1: not told */
    Place record;
} Read;

enum { OWNER_TRAIL, OWNER_TOLD, OWNER_ASKED };

/* Reads of one caller in one bucket; `record` is the first of them. `account` is the bucket's, in
   ASCII: of the trail's recipient ({-1, -1}: it has none), told by the record, or to be asked of it. */
typedef struct {
    Place identity, record;
    int64_t bucket, owner;
    Place account;
} Group;

typedef struct {
    Span text;
    uint64_t hash;
} Known;

typedef struct {
    const Span *at; /* names of buckets */
    size_t count;
} Buckets;

/* 1: read to the end. 0: the text is not as CloudTrail delivers it, or looks as if it were made to be
   slow; nothing of it was believed. -1: memory ran out. */
int trail_read(const uint8_t *text, size_t size, Buckets buckets, uint64_t seed, Trail *out);

#endif
