/* HMAC-SHA-256 (RFC 2104, FIPS 180-4) of many short values of one buffer, for scanner/seal.py.
 * Its reference is Python's hmac: tests/test_seal.py holds the two to one answer.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#define CARDTRAIL_SHA
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { BLOCK = 64, PRINT = 16, LONGEST = 1024 };

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t START[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        h += (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];        \
        d += h;                                                                                    \
        h += (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));             \
    } while (0)

static void compress_plain(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16
             | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7]
             + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3)
             + (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

#ifdef CARDTRAIL_SHA
/* The same with the instructions for it, eight times as fast. */
__attribute__((target("sha,sse4.1"))) static void compress_sha(uint32_t state[8],
                                                               const uint8_t *block)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i one = _mm_alignr_epi8(low, high, 8), two = _mm_blend_epi16(high, low, 0xf0);
    const __m128i one_before = one, two_before = two;
    __m128i w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
    for (int i = 0; i < 16; i++) {
        __m128i now = w[i & 3];
        if (i >= 4) { /* four more words of the schedule, from the sixteen before them */
            __m128i last = w[(i + 3) & 3];
            now = _mm_sha256msg1_epu32(now, w[(i + 1) & 3]);
            now = _mm_add_epi32(now, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
            now = w[i & 3] = _mm_sha256msg2_epu32(now, last);
        }
        __m128i sum = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)(K + 4 * i)));
        two = _mm_sha256rnds2_epu32(two, one, sum);
        one = _mm_sha256rnds2_epu32(one, two, _mm_shuffle_epi32(sum, 0x0e));
    }
    one = _mm_add_epi32(one, one_before);
    two = _mm_add_epi32(two, two_before);
    low = _mm_shuffle_epi32(one, 0x1b);
    high = _mm_shuffle_epi32(two, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
#endif

static void (*compress)(uint32_t state[8], const uint8_t *block) = compress_plain;

/* The state after `size` bytes behind one block that `state` has seen. */
static void finish(uint32_t state[8], const uint8_t *text, size_t size)
{
    uint8_t last[2 * BLOCK] = {0};
    size_t done = 0;
    for (; size - done >= BLOCK; done += BLOCK)
        compress(state, text + done);
    size_t rest = size - done, blocks = rest + 9 > BLOCK ? 2 : 1;
    uint64_t bits = (uint64_t)(size + BLOCK) * 8;
    memcpy(last, text + done, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        last[blocks * BLOCK - 1 - i] = (uint8_t)(bits >> (8 * i));
    for (size_t i = 0; i < blocks; i++)
        compress(state, last + i * BLOCK);
}

static void write_big(uint8_t *out, const uint32_t *words, int count)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = (uint8_t)(words[i] >> (24 - 8 * j));
}

static int is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static int is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }

/* The value as its fingerprint is made of it (detectors.base.Form says how); its size. */
static size_t canonical(const uint8_t *text, size_t size, int form, uint8_t *out)
{
    size_t made = 0, domain = size;
    if (form == 1)
        while (domain > 0 && text[domain - 1] != '@')
            domain--;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        if (form == 1 && i >= domain && is_upper(c))
            c += 32;
        if (form == 2) {
            if (is_lower(c))
                c -= 32;
            else if (!is_upper(c) && !(c >= '0' && c <= '9') && c != '+')
                continue;
        }
        out[made++] = c;
    }
    return made;
}

static PyObject *prints(PyObject *self, PyObject *arguments)
{
    Py_buffer key, data, starts, ends;
    int form;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*i", &key, &data, &starts, &ends, &form))
        return NULL;
    const int64_t *start = starts.buf, *end = ends.buf;
    Py_ssize_t count = starts.len / (Py_ssize_t)sizeof *start;
    int good = key.len <= BLOCK && ends.len == starts.len;
    for (Py_ssize_t i = 0; good && i < count; i++)
        good = 0 <= start[i] && start[i] <= end[i] && end[i] <= data.len
            && end[i] - start[i] <= LONGEST;
    PyObject *made = good ? PyBytes_FromStringAndSize(NULL, count * PRINT) : NULL;
    if (!good)
        PyErr_SetString(PyExc_ValueError, "a key of at most 64 bytes and spans inside the buffer");
    if (made != NULL) {
        uint8_t *out = (uint8_t *)PyBytes_AsString(made);
        Py_BEGIN_ALLOW_THREADS
        uint8_t pad[BLOCK], text[LONGEST], hash[32];
        uint32_t inner[8], outer[8], state[8];
        for (int side = 0; side < 2; side++) {
            memset(pad, 0, sizeof pad);
            memcpy(pad, key.buf, (size_t)key.len);
            for (int i = 0; i < BLOCK; i++)
                pad[i] ^= side ? 0x5c : 0x36;
            memcpy(side ? outer : inner, START, sizeof START);
            compress(side ? outer : inner, pad);
        }
        for (Py_ssize_t i = 0; i < count; i++) {
            const uint8_t *from = (const uint8_t *)data.buf + start[i];
            size_t size = canonical(from, (size_t)(end[i] - start[i]), form, text);
            memcpy(state, inner, sizeof state);
            finish(state, text, size);
            write_big(hash, state, 8);
            memcpy(state, outer, sizeof state);
            finish(state, hash, sizeof hash);
            write_big(out + i * PRINT, state, PRINT / 4);
        }
        memset(pad, 0, sizeof pad);
        memset(text, 0, sizeof text);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&ends);
    return made;
}

static PyMethodDef methods[] = {
    {"prints", prints, METH_VARARGS, "prints(key, data, starts, ends, form) -> 16 bytes of each"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "detectors._prints", "See scanner.seal.", 0, methods, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__prints(void)
{
#ifdef CARDTRAIL_SHA
    unsigned a, b = 0, c, d;
    if (getenv("CARDTRAIL_NO_SHA") == NULL && __get_cpuid_count(7, 0, &a, &b, &c, &d)
        && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1"))
        compress = compress_sha;
#endif
    return PyModule_Create(&module);
}
