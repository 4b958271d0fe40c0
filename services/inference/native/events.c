/* inference._events: events.h, as a Python type. */

#include "events.h"

/* Takes texts and answers, either of which may be any sequence, and adds the event. */
static PyObject *add_sequences(EventQueue *self, Event *event, PyObject *texts, PyObject *answers)
{
    int done = -1;
    event->texts = PySequence_Fast(texts, "texts are a sequence");
    event->answers = answers == Py_None ? Py_NewRef(answers)
                                        : PySequence_Fast(answers, "answers are a sequence");
    if (event->texts != NULL && event->answers != NULL)
        done = add_event(self, event);
    Py_XDECREF(event->texts);
    Py_XDECREF(event->answers);
    return done < 0 ? NULL : Py_NewRef(Py_None);
}

enum { EVENT_ID, EVENT_TIME, EVENT_OUTCOME, EVENT_LATENCY, EVENT_SLICES, EVENT_TEXTS, EVENT_ANSWERS,
       EVENT_FIELDS };

static const char *const event_fields[EVENT_FIELDS] = {
    "request_id", "time", "outcome", "latency_ms", "slices", "texts", "answers",
};

static PyObject *add_fields(EventQueue *self, PyObject *const *fields)
{
    Event event = {.request_id = fields[EVENT_ID], .outcome = fields[EVENT_OUTCOME]};
    event.slices = fields[EVENT_SLICES];
    if (!PyDict_Check(event.slices))
        return PyErr_Format(PyExc_TypeError, "slices are a dict");
    event.time = PyFloat_AsDouble(fields[EVENT_TIME]);
    event.milliseconds = PyFloat_AsDouble(fields[EVENT_LATENCY]);
    return PyErr_Occurred() ? NULL
                            : add_sequences(self, &event, fields[EVENT_TEXTS], fields[EVENT_ANSWERS]);
}

PyDoc_STRVAR(add_doc,
"add(event, /)\n--\n\n"
"Keep what happened to a request, an events.Event, or drop it where that does not fit.");

static PyObject *EventQueue_add(EventQueue *self, PyObject *event)
{
    PyObject *fields[EVENT_FIELDS] = {NULL}, *done = NULL;
    int at = 0;
    while (at < EVENT_FIELDS &&
           (fields[at] = PyObject_GetAttrString(event, event_fields[at])) != NULL)
        at++;
    if (at == EVENT_FIELDS)
        done = add_fields(self, fields);
    for (at = 0; at < EVENT_FIELDS; at++)
        Py_XDECREF(fields[at]);
    return done;
}

PyDoc_STRVAR(add_answers_doc,
"add_answers(request_id, seconds, texts, answers, /)\n--\n\n"
"Keep that a request without slices was answered just now, after so many seconds.");

static PyObject *EventQueue_add_answers(EventQueue *self, PyObject *const *given, Py_ssize_t count)
{
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "add_answers takes 4 arguments, not %zd", count);
    Event event = {.request_id = given[0], .outcome = self->ok, .slices = self->no_slices};
    PyObject *now = PyObject_CallNoArgs(self->wall);
    event.time = now == NULL ? 0 : PyFloat_AsDouble(now);
    Py_XDECREF(now);
    event.milliseconds = PyErr_Occurred() ? 0 : PyFloat_AsDouble(given[1]) * 1000;
    return PyErr_Occurred() ? NULL : add_sequences(self, &event, given[2], given[3]);
}

PyDoc_STRVAR(take_doc,
"take()\n--\n\n"
"Return (batch, rows) of the oldest events, which wait no longer; None: none wait.");

static PyObject *EventQueue_take(EventQueue *self, PyObject *Py_UNUSED(ignored))
{
    if (PyList_GET_SIZE(self->batches) == 0 && self->rows > 0 && close_batch(self) < 0)
        return NULL;
    if (PyList_GET_SIZE(self->batches) == 0)
        Py_RETURN_NONE;
    PyObject *oldest = Py_NewRef(PyList_GET_ITEM(self->batches, 0));
    if (PyList_SetSlice(self->batches, 0, 1, NULL) < 0) {
        Py_DECREF(oldest);
        return NULL;
    }
    self->waiting -= PyLong_AsSsize_t(PyTuple_GET_ITEM(oldest, 1));
    return oldest;
}

static PyObject *EventQueue_rows(EventQueue *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(self->waiting);
}

static PyObject *EventQueue_full(EventQueue *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(PyList_GET_SIZE(self->batches) > 0);
}

static void EventQueue_dealloc(EventQueue *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *owned[] = {
        self->batches, self->opening, self->wall, self->new_id, self->notice, self->drop, self->ok,
        self->no_slices, self->no_text, self->language_name, self->length_name,
    };
    for (size_t at = 0; at < sizeof owned / sizeof *owned; at++)
        Py_XDECREF(owned[at]);
    for (int at = 0; at < COLUMNS; at++)
        PyMem_Free(self->columns[at].bytes);
    PyMem_Free(self->batch.bytes);
    PyMem_Free(self->slices.bytes);
    type->tp_free(self);
    Py_DECREF(type);
}

static int fill_queue(EventQueue *self)
{
    self->batches = PyList_New(0);
    self->no_slices = PyDict_New();
    self->no_text = PyUnicode_FromStringAndSize("", 0);
    self->ok = PyUnicode_InternFromString("ok");
    self->language_name = PyUnicode_InternFromString("language");
    self->length_name = PyUnicode_InternFromString("length");
    return PyErr_Occurred() ? -1 : 0;
}

/* Takes what all batches begin with, and the key, from an events.Subject. */
static int take_subject(EventQueue *self, PyObject *subject)
{
    PyObject *key = PyObject_GetAttrString(subject, "key");
    self->opening = key == NULL ? NULL : PyObject_GetAttrString(subject, "opening");
    int fits = self->opening != NULL && PyBytes_Check(self->opening) && PyBytes_Check(key) &&
               PyBytes_GET_SIZE(key) == KEY_BYTES;
    if (fits)
        begin_mac(&self->mac, (const uint8_t *)PyBytes_AS_STRING(key));
    else if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "a subject has a key of %d bytes and an opening", KEY_BYTES);
    Py_XDECREF(key);
    return fits ? 0 : -1;
}

static PyObject *EventQueue_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"subject", "limit", "wall", "new_id", "notice", "drop", NULL};
    EventQueue given = {0};
    PyObject *subject;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OnOOOO:EventQueue", names, &subject,
                                     &given.limit, &given.wall, &given.new_id, &given.notice,
                                     &given.drop))
        return NULL;
    EventQueue *self = (EventQueue *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->limit = given.limit;
    self->wall = Py_NewRef(given.wall);
    self->new_id = Py_NewRef(given.new_id);
    self->notice = Py_NewRef(given.notice);
    self->drop = Py_NewRef(given.drop);
    if (take_subject(self, subject) < 0 || fill_queue(self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef queue_methods[] = {
    {"add", (PyCFunction)EventQueue_add, METH_O, add_doc},
    {"add_answers", (PyCFunction)(void (*)(void))EventQueue_add_answers, METH_FASTCALL,
     add_answers_doc},
    {"take", (PyCFunction)EventQueue_take, METH_NOARGS, take_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef queue_values[] = {
    {"rows", (getter)EventQueue_rows, NULL, "How many rows wait.", NULL},
    {"full", (getter)EventQueue_full, NULL, "Whether a whole batch waits.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot queue_slots[] = {
    {Py_tp_new, EventQueue_new},
    {Py_tp_dealloc, EventQueue_dealloc},
    {Py_tp_methods, queue_methods},
    {Py_tp_getset, queue_values},
    {Py_tp_doc, "EventQueue(subject, limit, wall, new_id, notice, drop)\n--\n\n"
                "Prediction events that wait to be sent, packed."},
    {0, NULL},
};

static PyType_Spec queue_spec = {
    "inference._events.EventQueue", sizeof(EventQueue), 0, Py_TPFLAGS_DEFAULT, queue_slots,
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_events", "Prediction events, packed as they come.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

static PyObject *import_value(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return value;
}

static int find_length(const char *name, long *words)
{
    PyObject *value = import_value("textmodels.slices", name);
    *words = value == NULL ? -1 : PyLong_AsLong(value);
    Py_XDECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* Finds what measures a text, and how its length is called. */
static int find_measures(void)
{
    PyObject *measures = import_value("textmodels.text_measures", "MEASURES");
    measure = measures == NULL ? NULL : PySequence_GetItem(measures, 0);
    Py_XDECREF(measures);
    return measure == NULL || find_length("SHORT_WORDS_MAX", &lengths[0]) < 0 ||
                   find_length("MEDIUM_WORDS_MAX", &lengths[1]) < 0
               ? -1
               : 0;
}

PyMODINIT_FUNC PyInit__events(void)
{
    PyObject *module = find_measures() < 0 ? NULL : PyModule_Create(&module_definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&queue_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "EventQueue", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
