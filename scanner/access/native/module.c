/* The reader of CloudTrail's files as the Python module scanner.access._trail. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>
#include "trail.h"

static PyObject *as_bytes(const List *list)
{
    return PyBytes_FromStringAndSize(list->at, (Py_ssize_t)(list->count * list->size));
}

static PyObject *as_texts(const List *keys)
{
    PyObject *texts = PyList_New((Py_ssize_t)keys->count);
    const Known *known = keys->at;
    for (size_t place = 0; texts != NULL && place < keys->count; place++) {
        Span text = known[place].text; /* ASCII: it is plain */
        PyObject *made = PyUnicode_FromStringAndSize((const char *)text.at, (Py_ssize_t)text.size);
        if (made == NULL || PyList_SetItem(texts, (Py_ssize_t)place, made) < 0)
            Py_CLEAR(texts);
    }
    return texts;
}

static PyObject *result(const Trail *found)
{
    PyObject *parts[5] = {as_bytes(&found->events), as_bytes(&found->elsewhere),
                          as_bytes(&found->groups), as_texts(&found->keys), as_bytes(&found->rest)};
    PyObject *out = PyTuple_New(5);
    for (int place = 0; place < 5; place++) {
        if (out != NULL && parts[place] != NULL)
            PyTuple_SetItem(out, place, parts[place]);
        else {
            Py_XDECREF(parts[place]);
            Py_CLEAR(out);
        }
    }
    return out;
}

/* Names of buckets as spans of the bytes objects in a tuple, which holds them. */
static Span *spans(PyObject *names, Py_ssize_t count)
{
    Span *made = malloc((size_t)(count ? count : 1) * sizeof *made);
    if (made == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        char *at;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(names, place), &at, &size) < 0) {
            free(made);
            return NULL;
        }
        made[place] = (Span){(const uint8_t *)at, (size_t)size, 1};
    }
    return made;
}

static PyObject *read_file(PyObject *self, PyObject *arguments)
{
    Py_buffer data;
    PyObject *names, *out = NULL;
    unsigned long long seed;
    if (!PyArg_ParseTuple(arguments, "y*O!K", &data, &PyTuple_Type, &names, &seed))
        return NULL;
    Py_ssize_t count = PyTuple_Size(names);
    Span *buckets = spans(names, count);
    if (buckets != NULL) {
        Trail found = {0};
        int done;
        Py_BEGIN_ALLOW_THREADS
        done = trail_read(data.buf, (size_t)data.len, (Buckets){buckets, (size_t)count}, seed,
                          &found);
        Py_END_ALLOW_THREADS
        if (done < 0)
            PyErr_NoMemory();
        else if (done == 0)
            out = Py_NewRef(Py_None);
        else
            out = result(&found);
        List *lists[] = {&found.events, &found.elsewhere, &found.groups, &found.keys, &found.rest};
        for (int place = 0; place < 5; place++)
            free(lists[place]->at);
        free(buckets);
    }
    PyBuffer_Release(&data);
    return out;
}

static PyMethodDef methods[] = {
    {"read", read_file, METH_VARARGS, "read(data, buckets, seed) -> events, elsewhere, groups, keys, rest"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "scanner.access._trail", "See scanner.access.compiled.", 0, methods, NULL,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__trail(void)
{
    const uint16_t one = 1;
    if (*(const uint8_t *)&one != 1) {
        PyErr_SetString(PyExc_ImportError, "little-endian machines only");
        return NULL;
    }
    return PyModule_Create(&module);
}
