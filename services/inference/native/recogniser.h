/* inference._plain.Recogniser: finds a request so plain that nobody can read it in two ways.
 *
 * What it takes is a small part of what HTTP/1.1 allows, and each byte of it is checked: one of a
 * few paths, headers of visible ASCII in one line each, a length in digits, the body whole. All
 * else is left, without a reason, to the parser that knows the rest of HTTP. */

#ifndef RECOGNISER_H
#define RECOGNISER_H

#include "heads.h"

typedef struct {
    PyObject_HEAD
    PyObject *paths;   /* of bytes */
    PyObject *kept;    /* of bytes: the headers whose values are returned */
    PyObject *refused; /* of bytes: the headers that only the app understands */
    Names names;
    Py_ssize_t head_limit;
    Py_ssize_t body_limit;
} Recogniser;

/* Returns which path a request asks for, with the cursor behind its first line; -1: none. */
static Py_ssize_t read_first_line(const Recogniser *self, Cursor *cursor)
{
    if (!skip(cursor, "POST ", 5))
        return -1;
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(self->paths); at++) {
        PyObject *path = PyTuple_GET_ITEM(self->paths, at);
        Cursor behind = *cursor;
        if (skip(&behind, PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path)) &&
            skip(&behind, " HTTP/1.1\r\n", 11)) {
            *cursor = behind;
            return at;
        }
    }
    return -1;
}

/* Returns {name: value} of the kept headers that are there. */
static PyObject *make_headers(const Recogniser *self, const Head *head)
{
    PyObject *headers = PyDict_New();
    for (Py_ssize_t at = 0; headers != NULL && at < PyTuple_GET_SIZE(self->kept); at++) {
        const Value *value = &head->values[at];
        if (value->bytes == NULL)
            continue;
        PyObject *given = PyBytes_FromStringAndSize((const char *)value->bytes, value->size);
        if (given == NULL || PyDict_SetItem(headers, PyTuple_GET_ITEM(self->kept, at), given) < 0)
            Py_CLEAR(headers);
        Py_XDECREF(given);
    }
    return headers;
}

/* A request that was found. */
typedef struct {
    Py_ssize_t path; /* which of the paths */
    Head head;
    const char *body;
    Py_ssize_t end; /* where it ends in the packet */
} Found;

/* Finds the plain request that begins at `at`, if it is whole. */
static int find_request(const Recogniser *self, const uint8_t *packet, Py_ssize_t size, Py_ssize_t at,
                        Found *found)
{
    Py_ssize_t head_size = size - at > self->head_limit ? self->head_limit : size - at;
    Cursor cursor = {packet + at, packet + at + head_size};
    found->head = (Head){.length = -1};
    found->path = read_first_line(self, &cursor);
    if (found->path < 0 || !read_head(&self->names, &cursor, &found->head) ||
        found->head.length < 0 || found->head.length > self->body_limit ||
        found->head.length > packet + size - cursor.at)
        return 0;
    found->body = (const char *)cursor.at;
    found->end = cursor.at + found->head.length - packet;
    return 1;
}

/* Takes (packet, start); returns the packet, or NULL with an exception. */
static const uint8_t *take_packet(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t *at)
{
    if (count < 2 || !PyBytes_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "a packet is bytes, with a position");
        return NULL;
    }
    *at = PyLong_AsSsize_t(arguments[1]);
    if (*at == -1 && PyErr_Occurred())
        return NULL;
    if (*at < 0 || *at > PyBytes_GET_SIZE(arguments[0])) {
        PyErr_Format(PyExc_ValueError, "position %zd of %zd bytes", *at,
                     PyBytes_GET_SIZE(arguments[0]));
        return NULL;
    }
    return (const uint8_t *)PyBytes_AS_STRING(arguments[0]);
}

PyDoc_STRVAR(recognise_doc,
"recognise(packet, start, /)\n--\n\n"
"Return (path's position, kept headers, body, end) of the request at `start`.\n\n"
"None: there is no plain request that is whole.");

static PyObject *Recogniser_recognise(Recogniser *self, PyObject *const *arguments,
                                      Py_ssize_t count)
{
    Py_ssize_t at;
    Found found;
    const uint8_t *packet = take_packet(arguments, count, &at);
    if (packet == NULL)
        return NULL;
    if (!find_request(self, packet, PyBytes_GET_SIZE(arguments[0]), at, &found))
        Py_RETURN_NONE;
    PyObject *headers = make_headers(self, &found.head);
    return headers == NULL ? NULL
                           : Py_BuildValue("(nNy#n)", found.path, headers, found.body,
                                           found.head.length, found.end);
}

static void Recogniser_dealloc(Recogniser *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->paths);
    Py_XDECREF(self->kept);
    Py_XDECREF(self->refused);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Returns a tuple of our own of such bytes. */
static PyObject *take_names(PyObject *given)
{
    PyObject *names = PySequence_Tuple(given);
    for (Py_ssize_t at = 0; names != NULL && at < PyTuple_GET_SIZE(names); at++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(names, at))) {
            PyErr_SetString(PyExc_TypeError, "paths and headers are bytes");
            Py_CLEAR(names);
        }
    }
    return names;
}

static PyObject *Recogniser_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"paths", "kept", "refused", "head_limit", "body_limit", NULL};
    PyObject *paths, *kept, *refused;
    Py_ssize_t head_limit, body_limit;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOnn:Recogniser", names, &paths, &kept,
                                     &refused, &head_limit, &body_limit))
        return NULL;
    Recogniser *self = (Recogniser *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->head_limit = head_limit < 0 ? 0 : head_limit;
    self->body_limit = body_limit;
    if ((self->paths = take_names(paths)) == NULL || (self->kept = take_names(kept)) == NULL ||
        (self->refused = take_names(refused)) == NULL ||
        fill_names(&self->names, self->kept, self->refused) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef recogniser_methods[] = {
    {"recognise", (PyCFunction)(void (*)(void))Recogniser_recognise, METH_FASTCALL, recognise_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot recogniser_slots[] = {
    {Py_tp_new, Recogniser_new},
    {Py_tp_dealloc, Recogniser_dealloc},
    {Py_tp_methods, recogniser_methods},
    {Py_tp_doc, "Recogniser(paths, kept, refused, head_limit, body_limit)\n--\n\n"
                "Finds plain requests. Names of headers are in lower case; limits are bytes."},
    {0, NULL},
};

static PyType_Spec recogniser_spec = {
    "inference._plain.Recogniser", sizeof(Recogniser), 0, Py_TPFLAGS_DEFAULT, recogniser_slots,
};

#endif
