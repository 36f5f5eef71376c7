/* BLAKE2b (RFC 7693) of many short names at once, cut to 64 bits, for scanner/known.py.
 * Its reference is Python's hashlib: tests/test_known.py holds the two to one answer.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 128, SIZE = 8 };

static const uint64_t START[8] = {
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
};

static inline uint64_t turn(uint64_t x, int by) { return x >> by | x << (64 - by); }

#define MIX(a, b, c, d, x, y)                                                                      \
    do {                                                                                           \
        a += b + m[x];                                                                             \
        d = turn(d ^ a, 32);                                                                       \
        c += d;                                                                                    \
        b = turn(b ^ c, 24);                                                                       \
        a += b + m[y];                                                                             \
        d = turn(d ^ a, 16);                                                                       \
        c += d;                                                                                    \
        b = turn(b ^ c, 63);                                                                       \
    } while (0)

/* A round takes the words of a block in this order; rounds 10 and 11 are 0 and 1 again. */
#define ROUND(a, b, c, d, e, f, g, h, i, j, k, l, n, o, p, q)                                      \
    do {                                                                                           \
        MIX(v0, v4, v8, v12, a, b);                                                                \
        MIX(v1, v5, v9, v13, c, d);                                                                \
        MIX(v2, v6, v10, v14, e, f);                                                               \
        MIX(v3, v7, v11, v15, g, h);                                                               \
        MIX(v0, v5, v10, v15, i, j);                                                               \
        MIX(v1, v6, v11, v12, k, l);                                                               \
        MIX(v2, v7, v8, v13, n, o);                                                                \
        MIX(v3, v4, v9, v14, p, q);                                                                \
    } while (0)

/* `done`: bytes up to the end of this block, which is the last or not. */
static void compress(uint64_t state[8], const uint8_t *block, uint64_t done, int last)
{
    uint64_t m[16];
    memcpy(m, block, BLOCK); /* little-endian machines only */
    uint64_t v0 = state[0], v1 = state[1], v2 = state[2], v3 = state[3];
    uint64_t v4 = state[4], v5 = state[5], v6 = state[6], v7 = state[7];
    uint64_t v8 = START[0], v9 = START[1], v10 = START[2], v11 = START[3];
    uint64_t v12 = START[4] ^ done, v13 = START[5], v14 = last ? ~START[6] : START[6];
    uint64_t v15 = START[7];
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    state[0] ^= v0 ^ v8;
    state[1] ^= v1 ^ v9;
    state[2] ^= v2 ^ v10;
    state[3] ^= v3 ^ v11;
    state[4] ^= v4 ^ v12;
    state[5] ^= v5 ^ v13;
    state[6] ^= v6 ^ v14;
    state[7] ^= v7 ^ v15;
}

/* The digest as a number whose highest byte comes first. */
static uint64_t hashed(const uint8_t *at, size_t size)
{
    uint64_t state[8], done = 0;
    memcpy(state, START, sizeof state);
    state[0] ^= 0x01010000u ^ SIZE;
    for (; size - done > BLOCK; done += BLOCK)
        compress(state, at + done, done + BLOCK, 0);
    uint8_t block[BLOCK] = {0};
    memcpy(block, at + done, size - done);
    compress(state, block, size, 1);
    return __builtin_bswap64(state[0]);
}

static PyObject *hashes(PyObject *self, PyObject *names)
{
    if (!PyList_Check(names)) {
        PyErr_SetString(PyExc_TypeError, "expected a list of texts");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(names);
    PyObject *out = PyBytes_FromStringAndSize(NULL, count * SIZE);
    if (out == NULL)
        return NULL;
    char *to = PyBytes_AsString(out);
    for (Py_ssize_t place = 0; place < count; place++) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, place), &size);
        if (text == NULL) {
            Py_DECREF(out);
            return NULL;
        }
        uint64_t hash = hashed((const uint8_t *)text, (size_t)size);
        memcpy(to + place * SIZE, &hash, SIZE);
    }
    return out;
}

static PyMethodDef methods[] = {
    {"hashes", hashes, METH_O, "hashes(names) -> 64 bits of each, as bytes of the machine"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "scanner._names", "See scanner.known.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__names(void)
{
    const uint16_t one = 1;
    if (*(const uint8_t *)&one != 1) {
        PyErr_SetString(PyExc_ImportError, "little-endian machines only");
        return NULL;
    }
    return PyModule_Create(&module);
}
