/* textmodels.families.tfidf_linear._scorer: scoring.h is its arithmetic. */

#include "rows.h"
#include "loading.h"

#define PACKAGE "textmodels.families.tfidf_linear"
#define MODULE "_scorer"
#define MORE_METHODS {"count", Scorer_count, METH_O, count_doc},

PyDoc_STRVAR(count_doc,
"count(text, /)\n--\n\n"
"Return [(column, count)] of the features in a text, in the order in which it shows them.");

static PyObject *Scorer_count(PyObject *self, PyObject *text);

#include "scorer_type.h"

static PyObject *count_text(const Model *model, Scratch *scratch, PyObject *lower)
{
    if (read_words(&model->words, &scratch->read, lower) < 0 || reserve(scratch) < 0)
        return PyErr_NoMemory();
    size_t unknown, found = count_features(model, scratch, &unknown);
    PyObject *counts = PyList_New((Py_ssize_t)found);
    for (size_t at = 0; counts != NULL && at < found; at++) {
        uint32_t column = scratch->found[at];
        PyObject *pair = Py_BuildValue("(II)", column, scratch->counts[column]);
        if (pair == NULL)
            Py_CLEAR(counts);
        else
            PyList_SET_ITEM(counts, (Py_ssize_t)at, pair);
    }
    return counts;
}

/* Counts with memory of its own, which is thrown away: this is for an explanation now and then. */
static PyObject *Scorer_count(PyObject *self, PyObject *text)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a text must be a str");
    const Model *model = &((Scorer *)self)->model;
    PyObject *lower = PyObject_CallOneArg(lower_method, text), *counts = NULL;
    Scratch *scratch = lower == NULL ? NULL : new_scratch(model);
    if (scratch != NULL)
        counts = count_text(model, scratch, lower);
    else if (lower != NULL)
        PyErr_NoMemory();
    Py_XDECREF(lower);
    free_scratch(scratch);
    return counts;
}

PyMODINIT_FUNC PyInit__scorer(void)
{
    return init_module();
}
