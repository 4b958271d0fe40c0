/* Copies a model's tables, and checks every number in them that is later used as a position.
 *
 * The caller has checked them too, with better messages; memory must be safe without it. */

#ifndef LOADING_H
#define LOADING_H

#include "scoring.h"

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

static int draw_keys(Model *model)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *drawn = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "i", 32);
    Py_XDECREF(os);
    if (drawn == NULL)
        return -1;
    memcpy(model->words.key, PyBytes_AS_STRING(drawn), 16);
    memcpy(model->bigrams.key, PyBytes_AS_STRING(drawn) + 16, 16);
    Py_DECREF(drawn);
    return 0;
}

static int load_words(Model *model, PyObject *tables)
{
    WordTable *words = &model->words;
    uint32_t bytes, columns, end = 0;
    if ((words->text = copy_array(tables, "word_text", 1, &bytes)) == NULL ||
        (words->ends = copy_array(tables, "word_ends", 4, &words->count)) == NULL ||
        (model->word_columns = copy_array(tables, "word_columns", 4, &columns)) == NULL)
        return -1;
    if (columns != words->count)
        return refuse("word_columns must have one item a word");
    for (uint32_t word = 0; word < words->count; end = words->ends[word++]) {
        if (words->ends[word] < end || words->ends[word] > bytes)
            return refuse("word_ends must not decrease, nor leave word_text");
        if (model->word_columns[word] < ABSENT ||
            model->word_columns[word] >= (int64_t)model->features)
            return refuse("word_columns must be columns or -1");
    }
    return fill_words(words) < 0 ? (PyErr_NoMemory(), -1) : 0;
}

static int load_bigrams(Model *model, PyObject *tables)
{
    uint32_t words, count;
    int done = -1;
    uint32_t *pairs = copy_array(tables, "bigram_words", 4, &words);
    uint32_t *columns = pairs == NULL ? NULL : copy_array(tables, "bigram_columns", 4, &count);
    if (columns == NULL)
        goto end;
    if (words != 2 * count) {
        refuse("bigram_words must have two items a bigram");
        goto end;
    }
    for (uint32_t at = 0; at < count; at++) {
        if (columns[at] >= model->features) {
            refuse("bigram_columns must be columns");
            goto end;
        }
    }
    done = fill_bigrams(&model->bigrams, pairs, columns, count);
    if (done < 0)
        PyErr_NoMemory();
end:
    PyMem_RawFree(pairs);
    PyMem_RawFree(columns);
    return done;
}

/* Joins what is needed of a feature at one place in memory. */
static int load_records(Model *model, PyObject *tables)
{
    uint32_t weights = 0, bytes = 0;
    double *idf = copy_array(tables, "idf", 8, &model->features);
    double *weight = idf == NULL ? NULL : copy_array(tables, "weights", 8, &weights);
    uint8_t *rows = weight == NULL ? NULL : copy_array(tables, "projection_rows", 1, &bytes);
    int done = -1;
    if (rows == NULL || (model->bias = copy_array(tables, "bias", 8, &model->outputs)) == NULL)
        goto end;
    size_t features = model->features, outputs = model->outputs, stride = 2 + outputs;
    if (outputs == 0 || weights != features * outputs || bytes != features * ENTRIES) {
        refuse("weights must be [features, outputs] and projection_rows [features, 4]");
        goto end;
    }
    if ((model->records = PyMem_RawCalloc(features * stride + 1, sizeof(double))) == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    for (size_t column = 0; column < features; column++) {
        double *record = model->records + column * stride;
        record[0] = idf[column];
        memcpy(record + 1, rows + column * ENTRIES, ENTRIES);
        memcpy(record + 2, weight + column * outputs, outputs * sizeof(double));
    }
    done = 0;
end:
    PyMem_RawFree(idf);
    PyMem_RawFree(weight);
    PyMem_RawFree(rows);
    return done;
}

static int load_number(PyObject *tables, const char *name, int *number)
{
    PyObject *value = PyObject_GetAttrString(tables, name);
    if (value == NULL)
        return -1;
    *number = (int)PyLong_AsLong(value);
    Py_DECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* Fills a model of zeros. After a failure, too, `free_model` frees what is there. */
static int load_model(Model *model, PyObject *tables)
{
    if (draw_keys(model) < 0 || load_records(model, tables) < 0 ||
        load_words(model, tables) < 0 || load_bigrams(model, tables) < 0 ||
        load_number(tables, "norm", &model->norm) < 0 ||
        load_number(tables, "sublinear_tf", &model->sublinear) < 0)
        return -1;
    return 0;
}

static void free_model(Model *model)
{
    PyMem_RawFree(model->words.slots);
    PyMem_RawFree(model->words.text);
    PyMem_RawFree(model->words.ends);
    PyMem_RawFree(model->word_columns);
    PyMem_RawFree(model->bigrams.slots);
    PyMem_RawFree(model->bigrams.filter);
    PyMem_RawFree(model->records);
    PyMem_RawFree(model->bias);
}

#endif
