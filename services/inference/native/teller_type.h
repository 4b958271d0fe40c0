/* The Python type Teller: what it is made of, and that all of it is what teller.h takes it for. */

#ifndef TELLER_TYPE_H
#define TELLER_TYPE_H

static int take_places(Teller *self, PyObject *cells, PyObject *places, PyObject *edges)
{
    if (PyObject_GetBuffer(cells, &self->cells, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        return -1;
    Py_ssize_t count = self->cells.len / (Py_ssize_t)sizeof(double);
    self->buckets = PyTuple_GET_SIZE(edges);
    self->edges = PyMem_Calloc((size_t)self->buckets + 1, sizeof(double));
    if (self->edges == NULL)
        return PyErr_NoMemory(), -1;
    for (Py_ssize_t at = 0; at < self->buckets; at++)
        self->edges[at] = PyFloat_AsDouble(PyTuple_GET_ITEM(edges, at));
    int inside = PyTuple_GET_SIZE(places) == PLACES && self->buckets > 0;
    for (int at = 0; inside && at < PLACES; at++) {
        Py_ssize_t place = self->places[at] = PyLong_AsSsize_t(PyTuple_GET_ITEM(places, at));
        inside = place >= 0 && place + (at == AT_BUCKETS ? self->buckets : 1) <= count;
    }
    if (!PyErr_Occurred() && !inside)
        PyErr_SetString(PyExc_ValueError, "all places must lie among the cells");
    return PyErr_Occurred() ? -1 : 0;
}

static int intern_names(Teller *self)
{
    self->text_name = PyUnicode_InternFromString("text");
    self->prediction_name = PyUnicode_InternFromString("prediction");
    self->scores_name = PyUnicode_InternFromString("scores");
    return PyErr_Occurred() ? -1 : 0;
}

static void Teller_dealloc(Teller *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *owned[] = {
        (PyObject *)self->recogniser, self->decode, self->answer, self->encode, self->report,
        self->new_id, self->steady, self->labels, self->digest, self->text_name,
        self->prediction_name, self->scores_name,
    };
    for (size_t at = 0; at < sizeof owned / sizeof *owned; at++)
        Py_XDECREF(owned[at]);
    PyBuffer_Release(&self->cells); /* does nothing to one never taken */
    PyMem_Free(self->edges);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *Teller_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"recogniser", "decode", "answer", "encode", "report", "new_id", "steady",
                            "labels", "digest", "longest", "cells", "places", "edges", NULL};
    Teller given = {0};
    PyObject *cells, *places, *edges;
    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "O!OOOOOOO!SnOO!O!:Teller", names, recogniser_type,
            &given.recogniser, &given.decode, &given.answer, &given.encode, &given.report,
            &given.new_id, &given.steady, &PyTuple_Type, &given.labels, &given.digest,
            &given.longest, &cells, &PyTuple_Type, &places, &PyTuple_Type, &edges))
        return NULL;
    if (PyTuple_GET_SIZE(given.recogniser->kept) < SLICES)
        return PyErr_Format(PyExc_ValueError, "the recogniser must keep the two ids first");
    Teller *self = (Teller *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->recogniser = (Recogniser *)Py_NewRef((PyObject *)given.recogniser);
    self->decode = Py_NewRef(given.decode);
    self->answer = Py_NewRef(given.answer);
    self->encode = Py_NewRef(given.encode);
    self->report = Py_NewRef(given.report);
    self->new_id = Py_NewRef(given.new_id);
    self->steady = Py_NewRef(given.steady);
    self->labels = Py_NewRef(given.labels);
    self->digest = Py_NewRef(given.digest);
    self->longest = given.longest;
    if (intern_names(self) < 0 || take_places(self, cells, places, edges) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef teller_methods[] = {
    {"tell", (PyCFunction)(void (*)(void))Teller_tell, METH_FASTCALL, tell_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot teller_slots[] = {
    {Py_tp_new, Teller_new},
    {Py_tp_dealloc, Teller_dealloc},
    {Py_tp_methods, teller_methods},
    {Py_tp_doc, "Answers plain requests for one text with a predictor that is ready."},
    {0, NULL},
};

static PyType_Spec teller_spec = {
    "inference._plain.Teller", sizeof(Teller), 0, Py_TPFLAGS_DEFAULT, teller_slots,
};

#endif
