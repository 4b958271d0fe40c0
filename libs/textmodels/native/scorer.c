/* The Python type textmodels.families.tfidf_linear._scorer.Scorer: loading.h fills its model,
 * scoring.h is its arithmetic. Here texts and arrays are taken from the caller, and given back. */

#define PY_SSIZE_T_CLEAN
#include "loading.h"

/* Fewer characters than this take less time than handing the interpreter's lock over and back. */
#define CHARACTERS_TO_UNLOCK 20000

typedef struct {
    PyObject_HEAD
    Model model;
    Scratch *spare; /* of the last call, for the next; NULL while one is scoring with it */
} Scorer;

static PyObject *lower_method; /* str.lower */

static void free_scratch(Scratch *scratch)
{
    if (scratch == NULL)
        return;
    PyMem_RawFree(scratch->counts);
    PyMem_RawFree(scratch->spelling);
    PyMem_RawFree(scratch->decision);
    PyMem_RawFree(scratch->words);
    PyMem_RawFree(scratch->found);
    PyMem_RawFree(scratch);
}

static Scratch *new_scratch(const Model *model)
{
    Scratch *scratch = PyMem_RawCalloc(1, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch->counts = PyMem_RawCalloc(model->features, sizeof *scratch->counts);
    scratch->spelling = PyMem_RawCalloc(model->words.longest + 8, 1);
    scratch->decision = PyMem_RawCalloc(model->outputs, sizeof *scratch->decision);
    if (scratch->counts == NULL || scratch->spelling == NULL || scratch->decision == NULL) {
        free_scratch(scratch);
        return NULL;
    }
    return scratch;
}

static void Scorer_dealloc(Scorer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free_scratch(self->spare);
    free_model(&self->model);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *Scorer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"tables", NULL};
    PyObject *tables;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:Scorer", names, &tables))
        return NULL;
    Scorer *self = (Scorer *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    if (load_model(&self->model, tables) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The columns of the answers, in the order in which `score` takes them. */
enum { SCORES, LABELS, TOKENS, UNKNOWN_SHARES, PROJECTION, COLUMNS };

typedef struct {
    Py_ssize_t count;
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

static int take_columns(Batch *batch, PyObject *const *arrays, const Model *model)
{
    Py_ssize_t labels = model->outputs == 1 ? 2 : model->outputs;
    const Py_ssize_t bytes[COLUMNS] = {4 * labels, 8, 4, 4, 8 * PROJECTED};
    for (int column = 0; column < COLUMNS; column++) {
        if (column == PROJECTION && arrays[column] == Py_None)
            continue;
        Py_buffer *view = &batch->columns[column];
        if (PyObject_GetBuffer(arrays[column], view, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0)
            return -1;
        if (view->len != batch->count * bytes[column]) {
            PyErr_Format(PyExc_ValueError, "array %d has %zd bytes; %zd texts need %zd", column,
                         view->len, batch->count, batch->count * bytes[column]);
            return -1;
        }
    }
    return 0;
}

static int score_batch(const Model *model, Scratch *scratch, const Batch *batch)
{
    Py_ssize_t labels = model->outputs == 1 ? 2 : model->outputs;
    double *projection = batch->columns[PROJECTION].buf;
    for (Py_ssize_t at = 0; at < batch->count; at++) {
        const Answer answer = {
            .scores = (float *)batch->columns[SCORES].buf + at * labels,
            .label = (int64_t *)batch->columns[LABELS].buf + at,
            .tokens = (int32_t *)batch->columns[TOKENS].buf + at,
            .unknown_share = (float *)batch->columns[UNKNOWN_SHARES].buf + at,
            .projection = projection == NULL ? NULL : projection + at * PROJECTED,
        };
        if (score_text(model, scratch, batch->texts[at], &answer) < 0)
            return -1;
    }
    return 0;
}

PyDoc_STRVAR(score_doc,
"score(texts, scores, label_indices, tokens, unknown_shares, projection, /)\n--\n\n"
"Score n texts into float32 [n, labels], int64 [n], int32 [n], float32 [n] and float64 [n, 64];\n"
"None for the last: no projection.");

static PyObject *Scorer_score(Scorer *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 1 + COLUMNS)
        return PyErr_Format(PyExc_TypeError, "score takes %d arguments", 1 + COLUMNS);
    Batch batch = {0};
    Scratch *scratch = NULL;
    PyObject *answer = NULL;
    if (take_texts(&batch, arguments[0]) < 0 ||
        take_columns(&batch, arguments + 1, &self->model) < 0)
        goto end;
    scratch = self->spare; /* another thread that comes while we score makes its own */
    self->spare = NULL;
    if (scratch == NULL && (scratch = new_scratch(&self->model)) == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    int done;
    if (batch.characters < CHARACTERS_TO_UNLOCK) {
        done = score_batch(&self->model, scratch, &batch);
    } else {
        Py_BEGIN_ALLOW_THREADS
        done = score_batch(&self->model, scratch, &batch);
        Py_END_ALLOW_THREADS
    }
    answer = done < 0 ? PyErr_NoMemory() : Py_NewRef(Py_None);
end:
    if (self->spare == NULL)
        self->spare = scratch;
    else
        free_scratch(scratch);
    release_batch(&batch);
    return answer;
}

PyDoc_STRVAR(count_doc,
"count(text, /)\n--\n\n"
"Return [(column, count)] of the features in a text, in the order in which it shows them.");

static PyObject *Scorer_count(Scorer *self, PyObject *text)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a text must be a str");
    Scratch *scratch = new_scratch(&self->model);
    PyObject *lower = PyObject_CallOneArg(lower_method, text), *counts = NULL;
    if (scratch == NULL || lower == NULL)
        goto end;
    size_t unknown, words = read_words(&self->model, scratch, lower);
    size_t found = words == SIZE_MAX ? 0 : count_features(&self->model, scratch, words, &unknown);
    counts = words == SIZE_MAX ? NULL : PyList_New((Py_ssize_t)found);
    for (size_t at = 0; counts != NULL && at < found; at++) {
        uint32_t column = scratch->found[at];
        PyObject *pair = Py_BuildValue("(II)", column, scratch->counts[column]);
        if (pair == NULL)
            Py_CLEAR(counts);
        else
            PyList_SET_ITEM(counts, (Py_ssize_t)at, pair);
    }
end:
    if (counts == NULL && !PyErr_Occurred())
        PyErr_NoMemory();
    Py_XDECREF(lower);
    free_scratch(scratch);
    return counts;
}

static PyMethodDef scorer_methods[] = {
    {"count", (PyCFunction)Scorer_count, METH_O, count_doc},
    {"score", (PyCFunction)(void (*)(void))Scorer_score, METH_FASTCALL, score_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scorer_slots[] = {
    {Py_tp_new, Scorer_new},
    {Py_tp_dealloc, Scorer_dealloc},
    {Py_tp_methods, scorer_methods},
    {Py_tp_doc, "Scorer(tables)\n--\n\nScores texts with a copy of the tables."},
    {0, NULL},
};

static PyType_Spec scorer_spec = {
    "textmodels.families.tfidf_linear._scorer.Scorer", sizeof(Scorer), 0, Py_TPFLAGS_DEFAULT,
    scorer_slots,
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_scorer", "The compiled scorer of tfidf_linear.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__scorer(void)
{
    fill_ascii_fold();
    lower_method = PyObject_GetAttrString((PyObject *)&PyUnicode_Type, "lower");
    PyObject *module = lower_method == NULL ? NULL : PyModule_Create(&module_definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&scorer_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Scorer", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
