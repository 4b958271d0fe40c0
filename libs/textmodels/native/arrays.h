/* Copies a model's arrays, and checks every number in them that is later used as a position.
 *
 * The caller has checked them too, with better messages; memory must be safe without it. */

#ifndef ARRAYS_H
#define ARRAYS_H

#include "words.h"

/* Returns a copy of the array `tables.name`, and how many items of `size` bytes it has. */
static void *copy_array(PyObject *tables, const char *name, size_t size, uint32_t *count)
{
    Py_buffer view;
    PyObject *array = PyObject_GetAttrString(tables, name);
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS) < 0) {
        Py_XDECREF(array);
        return NULL;
    }
    void *copy = NULL;
    if ((size_t)view.itemsize != size || view.len / view.itemsize >= INT32_MAX)
        PyErr_Format(PyExc_ValueError, "%s must hold fewer than 2^31 items of %zu bytes", name, size);
    else if ((copy = PyMem_RawMalloc((size_t)view.len + 1)) == NULL)
        PyErr_NoMemory();
    else
        memcpy(copy, view.buf, (size_t)view.len);
    *count = (uint32_t)(view.len / (Py_ssize_t)size);
    PyBuffer_Release(&view);
    Py_DECREF(array);
    return copy;
}

static int refuse(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return -1;
}

static int draw_key(uint64_t key[2])
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *drawn = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "i", 16);
    Py_XDECREF(os);
    if (drawn == NULL)
        return -1;
    memcpy(key, PyBytes_AS_STRING(drawn), 16);
    Py_DECREF(drawn);
    return 0;
}

static inline int load_number(PyObject *tables, const char *name, int *number)
{
    PyObject *value = PyObject_GetAttrString(tables, name);
    if (value == NULL)
        return -1;
    *number = (int)PyLong_AsLong(value);
    Py_DECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* Fills a table of zeros from `word_text` and `word_ends`. */
static int load_words(WordTable *words, PyObject *tables)
{
    uint32_t bytes, end = 0;
    if (draw_key(words->key) < 0 ||
        (words->text = copy_array(tables, "word_text", 1, &bytes)) == NULL ||
        (words->ends = copy_array(tables, "word_ends", 4, &words->count)) == NULL)
        return -1;
    for (uint32_t word = 0; word < words->count; end = words->ends[word++]) {
        if (words->ends[word] < end || words->ends[word] > bytes)
            return refuse("word_ends must not decrease, nor leave word_text");
    }
    return fill_words(words) < 0 ? (PyErr_NoMemory(), -1) : 0;
}

static void free_table(WordTable *words)
{
    PyMem_RawFree(words->slots);
    PyMem_RawFree(words->blocks);
    PyMem_RawFree(words->text);
    PyMem_RawFree(words->ends);
}

#endif
