/* inference._events.EventQueue: prediction events that wait to be sent, packed as they come.
 *
 * What a row holds goes at once to the end of its column, so that a batch, when it is full, is the
 * columns one behind the other. `events_python.py` does the same where nothing is compiled. */

#ifndef EVENTS_H
#define EVENTS_H

#include "blake2b.h"
#include "packing.h"

#define ROWS_LIMIT 500
/* A batch is closed at so many bytes. The drift-monitor takes 256 kB; a row has some 300 bytes, one of
 * a thousand labels with the longest slices 12,000. */
#define FULL_BYTES 240000
#define PROJECTION_BYTES 128

enum {
    REQUEST_ID, TIME, OUTCOME, LATENCY, FINGERPRINT, CHARACTERS, WORDS, NON_LETTER, LANGUAGE, SLICES,
    LABEL, SCORES, TOKENS, UNKNOWN_SHARE, TRUNCATED, PROJECTION, COLUMNS,
};

static const char *const column_names[COLUMNS] = {
    "request_id", "time", "outcome", "latency_ms", "fingerprint", "characters", "words", "non_letter",
    "language", "slices", "label", "scores", "tokens", "oov", "truncated", "projection",
};

/* Positions in textmodels.predictions.Answer, and in what a text is measured to. */
enum { ANSWER_LABEL, ANSWER_SCORES, ANSWER_TOKENS, ANSWER_UNKNOWN_SHARE, ANSWER_TRUNCATED,
       ANSWER_PROJECTION, ANSWER };
enum { MEASURED_CHARACTERS, MEASURED_WORDS, MEASURED_NON_LETTER, MEASURED_LANGUAGE, MEASURED };

typedef struct {
    PyObject_HEAD
    Packed columns[COLUMNS]; /* of the batch that is being filled */
    Py_ssize_t rows;         /* in them */
    PyObject *batches;       /* of (bytes, rows): those that are full, the oldest first */
    Py_ssize_t waiting;      /* rows in all */
    Py_ssize_t limit;
    Packed batch, slices; /* memory to write in */
    Py_ssize_t given;     /* slices of the caller's in `slices` */
    PyObject *language;   /* that the caller named; borrowed, NULL: none */
    PyObject *opening;    /* bytes: what every batch begins with */
    Mac mac;
    PyObject *wall, *new_id, *notice, *drop;
    PyObject *ok, *no_slices, *no_text, *language_name, *length_name;
} EventQueue;

/* What happened to one request; all borrowed. */
typedef struct {
    PyObject *request_id, *outcome, *slices, *texts, *answers;
    double time, milliseconds;
} Event;

static PyObject *measure;      /* of textmodels.text_measures */
static long lengths[2];        /* words of a short text, and of a medium one, at most */

/* Packs the slices that the caller gave, but for those that are measured. */
static int take_slices(EventQueue *self, PyObject *slices)
{
    PyObject *name, *value;
    self->slices.size = 0;
    self->given = 0;
    self->language = NULL;
    for (Py_ssize_t at = 0; PyDict_Next(slices, &at, &name, &value);) {
        int is_language = PyUnicode_Compare(name, self->language_name) == 0;
        if (is_language)
            self->language = value;
        if (is_language || PyUnicode_Compare(name, self->length_name) == 0)
            continue;
        if (pack_str(&self->slices, name) < 0 || pack_str(&self->slices, value) < 0)
            return -1;
        self->given++;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static const char *name_length(long words)
{
    return words <= lengths[0] ? "short" : words <= lengths[1] ? "medium" : "long";
}

static int pack_slices(EventQueue *self, long words, PyObject *language)
{
    Packed *column = &self->columns[SLICES];
    const char *length = name_length(words);
    return pack_map(column, (size_t)self->given + 2) < 0 ||
                   pack_bytes(column, self->slices.bytes, self->slices.size) < 0 ||
                   pack_text(column, "length", 6) < 0 ||
                   pack_text(column, length, strlen(length)) < 0 ||
                   pack_text(column, "language", 8) < 0 || pack_str(column, language) < 0
               ? -1
               : 0;
}

/* Packs what was measured: a tuple. */
static int pack_measured(EventQueue *self, PyObject *measured)
{
    Packed *columns = self->columns;
    if (!PyTuple_Check(measured) || PyTuple_GET_SIZE(measured) != MEASURED)
        return PyErr_Format(PyExc_TypeError, "a text is measured to %d values", MEASURED), -1;
    long characters = PyLong_AsLong(PyTuple_GET_ITEM(measured, MEASURED_CHARACTERS));
    long words = PyLong_AsLong(PyTuple_GET_ITEM(measured, MEASURED_WORDS));
    double share = PyFloat_AsDouble(PyTuple_GET_ITEM(measured, MEASURED_NON_LETTER));
    PyObject *guess = PyTuple_GET_ITEM(measured, MEASURED_LANGUAGE);
    PyObject *language = self->language == NULL ? guess : self->language;
    return PyErr_Occurred() || pack_int(&columns[CHARACTERS], characters) < 0 ||
                   pack_int(&columns[WORDS], words) < 0 ||
                   pack_float(&columns[NON_LETTER], share) < 0 ||
                   pack_str(&columns[LANGUAGE], language) < 0 || pack_slices(self, words, language) < 0
               ? -1
               : 0;
}

/* Packs the fingerprint in hexadecimal digits; of no text it is empty. */
static int pack_fingerprint(EventQueue *self, PyObject *text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t code[MAC_BYTES];
    char spelling[2 * MAC_BYTES];
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == NULL)
        return -1;
    if (size > 0)
        seal_text(&self->mac, (const uint8_t *)bytes, (size_t)size, code);
    for (int at = 0; size > 0 && at < MAC_BYTES; at++) {
        spelling[2 * at] = digits[code[at] >> 4];
        spelling[2 * at + 1] = digits[code[at] & 15];
    }
    return pack_text(&self->columns[FINGERPRINT], spelling, size > 0 ? sizeof spelling : 0);
}

static int pack_of_text(EventQueue *self, PyObject *text)
{
    PyObject *measured = PyObject_CallOneArg(measure, text);
    int done = measured == NULL ? -1 : pack_measured(self, measured);
    Py_XDECREF(measured);
    return done < 0 ? -1 : pack_fingerprint(self, text);
}

static int pack_scores(Packed *column, PyObject *scores)
{
    if (!PyList_Check(scores))
        return PyErr_Format(PyExc_TypeError, "scores are a list"), -1;
    int done = pack_array(column, (size_t)PyList_GET_SIZE(scores));
    for (Py_ssize_t at = 0; done == 0 && at < PyList_GET_SIZE(scores); at++) {
        double score = PyFloat_AsDouble(PyList_GET_ITEM(scores, at));
        done = PyErr_Occurred() ? -1 : pack_float(column, score);
    }
    return done;
}

static int pack_projection(Packed *column, PyObject *projection)
{
    if (!PyBytes_Check(projection) || PyBytes_GET_SIZE(projection) != PROJECTION_BYTES)
        return PyErr_Format(PyExc_TypeError, "a projection is %d bytes", PROJECTION_BYTES), -1;
    return pack_bytes(column, PyBytes_AS_STRING(projection), PROJECTION_BYTES);
}

static int pack_answer(Packed *columns, PyObject *answer)
{
    if (!PyTuple_Check(answer) || PyTuple_GET_SIZE(answer) != ANSWER)
        return PyErr_Format(PyExc_TypeError, "an answer is an Answer"), -1;
    PyObject **values = &PyTuple_GET_ITEM(answer, 0);
    long long label = PyLong_AsLongLong(values[ANSWER_LABEL]);
    long tokens = PyLong_AsLong(values[ANSWER_TOKENS]);
    double unknown_share = PyFloat_AsDouble(values[ANSWER_UNKNOWN_SHARE]);
    return PyErr_Occurred() || pack_int(&columns[LABEL], label) < 0 ||
                   pack_scores(&columns[SCORES], values[ANSWER_SCORES]) < 0 ||
                   pack_int(&columns[TOKENS], tokens) < 0 ||
                   pack_float(&columns[UNKNOWN_SHARE], unknown_share) < 0 ||
                   pack_bool(&columns[TRUNCATED], values[ANSWER_TRUNCATED] == Py_True) < 0 ||
                   pack_projection(&columns[PROJECTION], values[ANSWER_PROJECTION]) < 0
               ? -1
               : 0;
}

static int pack_no_answer(Packed *columns)
{
    static const char zeros[PROJECTION_BYTES];
    return pack_int(&columns[LABEL], -1) < 0 || pack_array(&columns[SCORES], 0) < 0 ||
                   pack_int(&columns[TOKENS], 0) < 0 || pack_float(&columns[UNKNOWN_SHARE], 0) < 0 ||
                   pack_bool(&columns[TRUNCATED], 0) < 0 ||
                   pack_bytes(&columns[PROJECTION], zeros, PROJECTION_BYTES) < 0
               ? -1
               : 0;
}

/* Packs a request's id, and which of its texts it is unless there is only one. */
static int pack_id(Packed *column, PyObject *request_id, Py_ssize_t number)
{
    char suffix[24];
    Py_ssize_t size;
    const char *id = PyUnicode_AsUTF8AndSize(request_id, &size);
    size_t more = number < 0 ? 0 : (size_t)PyOS_snprintf(suffix, sizeof suffix, "#%zd", number);
    if (id == NULL || make_room(column, HEAD_ROOM + (size_t)size + more) < 0)
        return -1;
    put_head(column, (size_t)size + more, 0xa0, 31, 0xda);
    put_bytes(column, id, (size_t)size);
    put_bytes(column, suffix, more);
    return 0;
}

/* `answer` NULL: no text was scored. */
static int pack_row(EventQueue *self, const Event *event, Py_ssize_t number, PyObject *text,
                    PyObject *answer)
{
    Packed *columns = self->columns;
    return pack_id(&columns[REQUEST_ID], event->request_id, number) < 0 ||
                   pack_float(&columns[TIME], event->time) < 0 ||
                   pack_str(&columns[OUTCOME], event->outcome) < 0 ||
                   pack_float(&columns[LATENCY], event->milliseconds) < 0 ||
                   pack_of_text(self, text) < 0 ||
                   (answer == NULL ? pack_no_answer(columns) : pack_answer(columns, answer)) < 0
               ? -1
               : 0;
}

#include "event_batches.h"

/* Adds a row to all columns, or to none. */
static int add_row(EventQueue *self, const Event *event, Py_ssize_t number, PyObject *text,
                   PyObject *answer)
{
    size_t before[COLUMNS];
    for (int at = 0; at < COLUMNS; at++)
        before[at] = self->columns[at].size;
    if (pack_row(self, event, number, text, answer) < 0) {
        for (int at = 0; at < COLUMNS; at++)
            self->columns[at].size = before[at];
        return -1;
    }
    self->rows++;
    self->waiting++;
    return is_full(self) ? close_batch(self) : 0;
}

static int add_rows(EventQueue *self, const Event *event)
{
    Py_ssize_t texts = PySequence_Fast_GET_SIZE(event->texts);
    if (PySequence_Fast_GET_SIZE(event->answers) != texts)
        return PyErr_Format(PyExc_ValueError, "%zd texts need as many answers", texts), -1;
    int done = 0;
    for (Py_ssize_t at = 0; done == 0 && at < texts; at++)
        done = add_row(self, event, texts == 1 ? -1 : at, PySequence_Fast_GET_ITEM(event->texts, at),
                       PySequence_Fast_GET_ITEM(event->answers, at));
    return done;
}

static int call(PyObject *callable, PyObject *argument)
{
    PyObject *said = argument == NULL ? PyObject_CallNoArgs(callable)
                                      : PyObject_CallOneArg(callable, argument);
    Py_XDECREF(said);
    return said == NULL ? -1 : 0;
}

static int drop_rows(const EventQueue *self, Py_ssize_t rows)
{
    PyObject *count = PyLong_FromSsize_t(rows);
    int done = count == NULL ? -1 : call(self->drop, count);
    Py_XDECREF(count);
    return done;
}

/* Adds what fits, and tells when there is something to send, and when a batch is full. */
static int add_event(EventQueue *self, const Event *event)
{
    int is_answered = event->answers != Py_None;
    Py_ssize_t rows = is_answered ? PySequence_Fast_GET_SIZE(event->texts) : 1;
    Py_ssize_t waiting = self->waiting, full = PyList_GET_SIZE(self->batches);
    if (waiting + rows > self->limit)
        return drop_rows(self, rows);
    if (take_slices(self, event->slices) < 0)
        return -1;
    int done = is_answered ? add_rows(self, event) : add_row(self, event, -1, self->no_text, NULL);
    int is_news = waiting == 0 || PyList_GET_SIZE(self->batches) > full;
    return done < 0 || (is_news && call(self->notice, NULL) < 0) ? -1 : 0;
}

#endif
