/* One call to a scorer: texts from the caller, and the arrays that their answers go to. */

#ifndef BATCH_H
#define BATCH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "answers.h"

/* Fewer characters than this take less time than handing the interpreter's lock over and back. */
#define CHARACTERS_TO_UNLOCK 20000

/* In the order of scorers.Columns. */
enum { SCORES, LABELS, TOKENS, UNKNOWN_SHARES, TRUNCATED, PROJECTION, COLUMNS };

typedef struct {
    Py_ssize_t count;
    Py_ssize_t labels;
    PyObject **texts; /* references of our own: the caller's list may change meanwhile */
    Py_ssize_t characters;
    Py_buffer columns[COLUMNS];
} Batch;

static void release_batch(Batch *batch)
{
    for (Py_ssize_t at = 0; batch->texts != NULL && at < batch->count; at++)
        Py_XDECREF(batch->texts[at]);
    PyMem_Free(batch->texts);
    for (int column = 0; column < COLUMNS; column++)
        PyBuffer_Release(&batch->columns[column]); /* does nothing to one never taken */
}

static PyObject *lower_method; /* str.lower */

static int find_lower_method(void)
{
    lower_method = PyObject_GetAttrString((PyObject *)&PyUnicode_Type, "lower");
    return lower_method == NULL ? -1 : 0;
}

/* A text beyond ASCII is taken in lower case: that is the interpreter's business. */
static int take_texts(Batch *batch, PyObject *texts)
{
    PyObject *sequence = PySequence_Tuple(texts);
    if (sequence == NULL)
        return -1;
    batch->count = PyTuple_GET_SIZE(sequence);
    batch->texts = PyMem_Calloc((size_t)batch->count + 1, sizeof *batch->texts);
    if (batch->texts == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t at = 0; batch->texts != NULL && at < batch->count; at++) {
        PyObject *text = PyTuple_GET_ITEM(sequence, at);
        if (!PyUnicode_Check(text)) {
            PyErr_Format(PyExc_TypeError, "text %zd is a %s, not a str", at, Py_TYPE(text)->tp_name);
            break;
        }
        if (PyUnicode_READY(text) < 0)
            break;
        batch->texts[at] = PyUnicode_IS_ASCII(text) ? Py_NewRef(text)
                                                    : PyObject_CallOneArg(lower_method, text);
        if (batch->texts[at] == NULL)
            break;
        batch->characters += PyUnicode_GET_LENGTH(batch->texts[at]);
    }
    Py_DECREF(sequence);
    return PyErr_Occurred() ? -1 : 0;
}

static int take_columns(Batch *batch, PyObject *arrays, Py_ssize_t labels)
{
    const Py_ssize_t bytes[COLUMNS] = {4 * labels, 8, 4, 4, 1, 2 * PROJECTED};
    for (int column = 0; column < COLUMNS; column++) {
        PyObject *array = PyTuple_GET_ITEM(arrays, column);
        if (column == PROJECTION && array == Py_None)
            continue;
        Py_buffer *view = &batch->columns[column];
        if (PyObject_GetBuffer(array, view, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0)
            return -1;
        if (view->len != batch->count * bytes[column]) {
            PyErr_Format(PyExc_ValueError, "array %d has %zd bytes; %zd texts need %zd", column,
                         view->len, batch->count, batch->count * bytes[column]);
            return -1;
        }
    }
    return 0;
}

/* One output tells two labels apart. */
static Py_ssize_t labels_of(uint32_t outputs)
{
    return outputs == 1 ? 2 : outputs;
}

/* Takes what `score` was called with; after a failure, too, `release_batch` must follow. */
static int take_batch(Batch *batch, PyObject *const *arguments, Py_ssize_t count, uint32_t outputs)
{
    if (count != 2 || !PyTuple_Check(arguments[1]) || PyTuple_GET_SIZE(arguments[1]) != COLUMNS) {
        PyErr_Format(PyExc_TypeError, "score takes texts and a tuple of %d arrays", COLUMNS);
        return -1;
    }
    batch->labels = labels_of(outputs);
    if (take_texts(batch, arguments[0]) < 0)
        return -1;
    return take_columns(batch, arguments[1], batch->labels);
}

static Answer answer_at(const Batch *batch, Py_ssize_t at)
{
    uint16_t *projection = batch->columns[PROJECTION].buf;
    return (Answer){
        .scores = (float *)batch->columns[SCORES].buf + at * batch->labels,
        .label = (int64_t *)batch->columns[LABELS].buf + at,
        .tokens = (int32_t *)batch->columns[TOKENS].buf + at,
        .unknown_share = (float *)batch->columns[UNKNOWN_SHARES].buf + at,
        .truncated = (uint8_t *)batch->columns[TRUNCATED].buf + at,
        .projection = projection == NULL ? NULL : projection + at * PROJECTED,
    };
}

/* Scores one text without touching a Python object's count; -1 when memory runs out. */
typedef int (*ScoreText)(const void *model, void *scratch, PyObject *text, const Answer *answer);

static int score_all(const Batch *batch, ScoreText score, const void *model, void *scratch)
{
    for (Py_ssize_t at = 0; at < batch->count; at++) {
        const Answer answer = answer_at(batch, at);
        if (score(model, scratch, batch->texts[at], &answer) < 0)
            return -1;
    }
    return 0;
}

/* Scores a batch that was taken; returns None, or NULL with MemoryError. */
static PyObject *score_batch(const Batch *batch, ScoreText score, const void *model, void *scratch)
{
    int done;
    if (batch->characters < CHARACTERS_TO_UNLOCK) {
        done = score_all(batch, score, model, scratch);
    } else {
        Py_BEGIN_ALLOW_THREADS
        done = score_all(batch, score, model, scratch);
        Py_END_ALLOW_THREADS
    }
    return done < 0 ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

#endif
