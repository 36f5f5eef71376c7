/* The kernel as the Python module detectors._native. It takes read-only buffers, gives back bytes
   of machine words for numpy, and lets go of the interpreter while a pass runs. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>
#include "kernel.h"

static const Kernel *kernel = &kernel_plain;
static Word seed;

/* Rows as a tuple of bytes; frees them. */
static PyObject *as_tuple(Rows *const *rows, int count)
{
    PyObject *out = PyErr_Occurred() ? NULL : PyTuple_New(count);
    for (int i = 0; i < count; i++) {
        if (out != NULL) {
            Py_ssize_t size = (Py_ssize_t)(rows[i]->count * sizeof(int64_t));
            PyObject *bytes = rows[i]->failed
                ? PyErr_NoMemory()
                : PyBytes_FromStringAndSize((const char *)rows[i]->at, size);
            if (bytes == NULL || PyTuple_SetItem(out, i, bytes) < 0) {
                Py_DECREF(out);
                out = NULL;
            }
        }
        free(rows[i]->at);
    }
    return out;
}

static PyObject *numbers(PyObject *self, PyObject *arguments)
{
    Py_buffer data, tables[5];
    long long first, last, lo, hi;
    if (!PyArg_ParseTuple(arguments, "y*LLLLy*y*y*y*y*", &data, &first, &last, &lo, &hi,
                          &tables[0], &tables[1], &tables[2], &tables[3], &tables[4]))
        return NULL;
    Numbers out = {0};
    static const Py_ssize_t sizes[5] = {10000, 10000, 1000000, 256, 256};
    int right = 1;
    for (int i = 0; i < 5; i++)
        right &= tables[i].len == sizes[i];
    if (right) {
        Py_BEGIN_ALLOW_THREADS
        Wanted wanted = {first, last, lo, hi,
                         tables[0].buf, tables[1].buf, tables[2].buf, tables[3].buf,
                         tables[4].buf};
        kernel->numbers(data.buf, (size_t)data.len, &wanted, seed, &out);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "tables: expected 10,000, 10,000, 1,000,000, 256, 256 bytes");
    PyBuffer_Release(&data);
    for (int i = 0; i < 5; i++)
        PyBuffer_Release(&tables[i]);
    return as_tuple((Rows *[]){&out.taken, &out.fields, &out.hexes, &out.floats, &out.groups}, 5);
}

static PyObject *marks(PyObject *self, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t piece;
    if (!PyArg_ParseTuple(arguments, "y*n", &data, &piece))
        return NULL;
    Marks out = {0};
    if (piece >= 64 && piece % 64 == 0) {
        Py_BEGIN_ALLOW_THREADS
        kernel->marks(data.buf, (size_t)data.len, (size_t)piece, &out);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "piece: expected a multiple of 64");
    PyBuffer_Release(&data);
    return as_tuple((Rows *[]){&out.base64, &out.pieces, &out.names, &out.masks}, 4);
}

static PyObject *lines(PyObject *self, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t lo, hi;
    if (!PyArg_ParseTuple(arguments, "y*nn", &data, &lo, &hi))
        return NULL;
    size_t count = 0;
    int right = 0 <= lo && lo <= hi && hi <= data.len;
    if (right) {
        Py_BEGIN_ALLOW_THREADS
        count = kernel->lines((Text)data.buf + lo, (size_t)(hi - lo));
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "lo, hi: expected 0 <= lo <= hi <= length of the data");
    PyBuffer_Release(&data);
    return right ? PyLong_FromSize_t(count) : NULL;
}

static PyMethodDef methods[] = {
    {"numbers", numbers, METH_VARARGS,
     "numbers(data, first, last, lo, hi, some, all, issued, before, behind)"
     " -> taken, fields, hexes, floats, groups"},
    {"marks", marks, METH_VARARGS, "marks(data, piece) -> base64, pieces, names, masks"},
    {"lines", lines, METH_VARARGS, "lines(data, lo, hi) -> line ends in data[lo:hi]"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "detectors._native", "See detectors.compiled.", 0, methods, NULL, NULL,
    NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    const uint16_t one = 1;
    if (*(const uint8_t *)&one != 1) {
        PyErr_SetString(PyExc_ImportError, "little-endian machines only");
        return NULL;
    }
#if defined(CARDTRAIL_AVX2)
    if (getenv("CARDTRAIL_NO_AVX2") == NULL && __builtin_cpu_supports("avx2")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")
        && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("lzcnt"))
        kernel = &kernel_avx2;
#endif
    seed = (Word)(uintptr_t)&kernel * 0x9E3779B97F4A7C15u; /* where it was loaded, which is random */
    return PyModule_Create(&module);
}
