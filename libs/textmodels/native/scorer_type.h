/* The Python type Scorer around a model: whoever includes this has included rows.h and the model,
 * with `Model`, `Scratch` and their functions, and names PACKAGE, MODULE and MORE_METHODS, if any. */

#ifndef SCORER_TYPE_H
#define SCORER_TYPE_H

typedef struct {
    PyObject_HEAD
    Model model;
    Scratch *spare; /* of the last call, for the next; NULL while one is scoring with it */
} Scorer;

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

typedef PyObject *(*ScoreBatch)(const Batch *, ScoreText, const void *model, void *scratch);

/* Scores a batch that was taken, if it was, and gives it back. */
static PyObject *score_and_release(Scorer *self, Batch *batch, int taken, ScoreBatch score)
{
    PyObject *answer = NULL;
    Scratch *scratch = self->spare; /* another thread that comes while we score makes its own */
    self->spare = NULL;
    if (taken == 0) {
        if (scratch == NULL && (scratch = new_scratch(&self->model)) == NULL)
            PyErr_NoMemory();
        else
            answer = score(batch, score_text, &self->model, scratch);
    }
    release_batch(batch);
    if (self->spare == NULL)
        self->spare = scratch;
    else
        free_scratch(scratch);
    return answer;
}

PyDoc_STRVAR(score_doc,
"score(texts, columns, /)\n--\n\nScore n texts into scorers.Columns of n rows.");

static PyObject *Scorer_score(Scorer *self, PyObject *const *arguments, Py_ssize_t count)
{
    Batch batch = {0};
    int taken = take_batch(&batch, arguments, count, self->model.outputs);
    return score_and_release(self, &batch, taken, score_batch);
}

PyDoc_STRVAR(answer_doc,
"answer(texts, /)\n--\n\nReturn an Answer for each of n texts.");

static PyObject *Scorer_answer(Scorer *self, PyObject *texts)
{
    Batch batch = {.labels = labels_of(self->model.outputs)};
    int taken = take_texts(&batch, texts);
    return score_and_release(self, &batch, taken, score_rows);
}

#ifndef MORE_METHODS
#define MORE_METHODS
#endif

static PyMethodDef scorer_methods[] = {
    MORE_METHODS
    {"answer", (PyCFunction)Scorer_answer, METH_O, answer_doc},
    {"score", (PyCFunction)(void (*)(void))Scorer_score, METH_FASTCALL, score_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scorer_slots[] = {
    {Py_tp_new, Scorer_new},
    {Py_tp_dealloc, Scorer_dealloc},
    {Py_tp_methods, scorer_methods},
    {Py_tp_doc, "Scorer(tables)\n--\n\nScores texts with a copy of a model's tables."},
    {0, NULL},
};

static PyType_Spec scorer_spec = {
    PACKAGE "." MODULE ".Scorer", sizeof(Scorer), 0, Py_TPFLAGS_DEFAULT,
    scorer_slots,
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, MODULE, "A compiled scorer.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

static PyObject *init_module(void)
{
    int found = find_lower_method() == 0 && find_row_type() == 0;
    PyObject *module = found ? PyModule_Create(&module_definition) : NULL;
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&scorer_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Scorer", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}

#endif
