/* Answers as rows: one `textmodels.predictions.Answer` a text, made at once. */

#ifndef ROWS_H
#define ROWS_H

#include "batch.h"

enum { ROW_LABEL, ROW_SCORES, ROW_TOKENS, ROW_UNKNOWN_SHARE, ROW_TRUNCATED, ROW_PROJECTION, ROW };

static PyTypeObject *row_type; /* Answer, a tuple with names */

static int find_row_type(void)
{
    PyObject *module = PyImport_ImportModule("textmodels.predictions");
    PyObject *type = module == NULL ? NULL : PyObject_GetAttrString(module, "Answer");
    Py_XDECREF(module);
    if (type != NULL && !(PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type)))
        PyErr_SetString(PyExc_TypeError, "Answer is no tuple");
    row_type = (PyTypeObject *)type;
    return PyErr_Occurred() ? -1 : 0;
}

/* What the answers for one text are written to, before they become objects. */
typedef struct {
    float *scores; /* [labels] */
    int64_t label;
    int32_t tokens;
    float unknown_share;
    uint8_t truncated;
    uint16_t projection[PROJECTED];
} RowCells;

static PyObject *list_scores(const float *scores, Py_ssize_t labels)
{
    PyObject *list = PyList_New(labels);
    for (Py_ssize_t at = 0; list != NULL && at < labels; at++) {
        PyObject *score = PyFloat_FromDouble(scores[at]);
        if (score == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, at, score);
    }
    return list;
}

/* Half floats go out with their low byte first, wherever this runs. */
static PyObject *pack_projection(const uint16_t *half)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, 2 * PROJECTED);
    char *to = bytes == NULL ? NULL : PyBytes_AS_STRING(bytes);
    for (int at = 0; to != NULL && at < PROJECTED; at++) {
        to[2 * at] = (char)(half[at] & 0xff);
        to[2 * at + 1] = (char)(half[at] >> 8);
    }
    return bytes;
}

static PyObject *make_row(const RowCells *cells, Py_ssize_t labels)
{
    PyObject *row = row_type->tp_alloc(row_type, ROW);
    if (row == NULL)
        return NULL;
    PyTuple_SET_ITEM(row, ROW_LABEL, PyLong_FromLongLong(cells->label));
    PyTuple_SET_ITEM(row, ROW_SCORES, list_scores(cells->scores, labels));
    PyTuple_SET_ITEM(row, ROW_TOKENS, PyLong_FromLong(cells->tokens));
    PyTuple_SET_ITEM(row, ROW_UNKNOWN_SHARE, PyFloat_FromDouble(cells->unknown_share));
    PyTuple_SET_ITEM(row, ROW_TRUNCATED, PyBool_FromLong(cells->truncated));
    PyTuple_SET_ITEM(row, ROW_PROJECTION, pack_projection(cells->projection));
    for (int at = 0; at < ROW; at++) {
        if (PyTuple_GET_ITEM(row, at) == NULL) {
            Py_DECREF(row);
            return NULL;
        }
    }
    return row;
}

static int score_row(const Batch *batch, Py_ssize_t at, ScoreText score, const void *model,
                     void *scratch, RowCells *cells)
{
    const Answer answer = {
        .scores = cells->scores,
        .label = &cells->label,
        .tokens = &cells->tokens,
        .unknown_share = &cells->unknown_share,
        .truncated = &cells->truncated,
        .projection = cells->projection,
    };
    return score(model, scratch, batch->texts[at], &answer);
}

/* Scores the texts that were taken; returns a list of rows, or NULL with an exception. */
static PyObject *score_rows(const Batch *batch, ScoreText score, const void *model, void *scratch)
{
    RowCells cells = {.scores = PyMem_Malloc((size_t)batch->labels * sizeof(float))};
    PyObject *rows = cells.scores == NULL ? PyErr_NoMemory() : PyList_New(batch->count);
    for (Py_ssize_t at = 0; rows != NULL && at < batch->count; at++) {
        PyObject *row = NULL;
        if (score_row(batch, at, score, model, scratch, &cells) < 0)
            PyErr_NoMemory();
        else
            row = make_row(&cells, batch->labels);
        if (row == NULL)
            Py_CLEAR(rows);
        else
            PyList_SET_ITEM(rows, at, row);
    }
    PyMem_Free(cells.scores);
    return rows;
}

#endif
