/* inference._plain.Teller: answers a plain request for the prediction of one text in one go.
 *
 * It does what lane.py does for every other, in the same order and to the same byte: reads the body
 * (msgspec), scores, counts, reports, and writes the answer. It knows nothing of errors: whatever is
 * unusual it leaves, uncounted, to lane.py. */

#ifndef TELLER_H
#define TELLER_H

#include "recogniser.h"

#define ID_LIMIT 128 /* as envelope.py's _is_plain_id, with the next */

enum { REQUEST_ID, CLIENT_REQUEST_ID, SLICES }; /* positions among the recogniser's kept headers */
enum { ANSWER_LABEL, ANSWER_SCORES, ANSWER_TOKENS }; /* of textmodels.predictions.Answer */
enum { AT_OK, AT_TEXTS, AT_TOKENS, AT_BUCKETS, AT_SUM, PLACES }; /* of numbers among the cells */

static PyObject *recogniser_type;

typedef struct {
    PyObject_HEAD
    Recogniser *recogniser;
    PyObject *decode; /* body -> an object with a text */
    PyObject *answer; /* texts -> answers */
    PyObject *encode; /* object -> JSON */
    PyObject *report; /* (request id, seconds, texts, answers); None: nobody is told */
    PyObject *new_id;
    PyObject *steady;
    PyObject *labels;
    PyObject *digest; /* bytes */
    Py_ssize_t longest; /* characters of a text */
    Py_buffer cells;    /* of doubles */
    Py_ssize_t places[PLACES];
    double *edges; /* of the buckets, the last of them infinite */
    Py_ssize_t buckets;
    PyObject *text_name, *prediction_name, *scores_name;
} Teller;

static uint8_t plain_id[256];

static void fill_plain_id(void)
{
    for (int letter = 0; letter < 128; letter++)
        plain_id[letter] = Py_ISALNUM(letter) || (letter != 0 && strchr("._:/+=-", letter) != NULL);
}

/* An id that is not given is as good as a plain one. */
static int is_plain_id(const Value *value)
{
    for (Py_ssize_t at = 0; value->bytes != NULL && at < value->size; at++) {
        if (!plain_id[value->bytes[at]])
            return 0;
    }
    return value->size <= ID_LIMIT;
}

/* Tells whether a found request is one text's, with nothing that needs a closer look. */
static int is_usual(const Teller *self, const Found *found)
{
    const Value *values = found->head.values;
    for (Py_ssize_t at = SLICES; at < PyTuple_GET_SIZE(self->recogniser->kept); at++) {
        if (values[at].bytes != NULL)
            return 0;
    }
    return found->path == 0 && is_plain_id(&values[REQUEST_ID]) &&
           is_plain_id(&values[CLIENT_REQUEST_ID]);
}

static int is_blank(PyObject *text)
{
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t at = 0; at < size; at++) {
        if (!Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, at)))
            return 0;
    }
    return 1;
}

/* Returns [text], or NULL: with an exception if something failed, without one if the body is not of
 * the usual form, or its text empty or too long. */
static PyObject *read_texts(const Teller *self, const Found *found)
{
    PyObject *body = PyBytes_FromStringAndSize(found->body, found->head.length);
    PyObject *asked = body == NULL ? NULL : PyObject_CallOneArg(self->decode, body);
    if (asked == NULL && body != NULL && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear(); /* it may be of the other form, or a fault of the caller's */
    Py_XDECREF(body);
    PyObject *text = asked == NULL ? NULL : PyObject_GetAttr(asked, self->text_name), *texts = NULL;
    Py_XDECREF(asked);
    if (text != NULL && PyUnicode_Check(text) && PyUnicode_READY(text) == 0 &&
        PyUnicode_GET_LENGTH(text) <= self->longest && !is_blank(text) &&
        (texts = PyList_New(1)) != NULL)
        PyList_SET_ITEM(texts, 0, Py_NewRef(text));
    Py_XDECREF(text);
    return texts;
}

/* Returns the only answer, borrowed. */
static PyObject *only_answer(PyObject *answers)
{
    PyObject *answer = PyList_Check(answers) && PyList_GET_SIZE(answers) == 1
                           ? PyList_GET_ITEM(answers, 0)
                           : NULL;
    if (answer == NULL || !PyTuple_Check(answer) || PyTuple_GET_SIZE(answer) <= ANSWER_TOKENS ||
        !PyList_Check(PyTuple_GET_ITEM(answer, ANSWER_SCORES))) {
        PyErr_SetString(PyExc_TypeError, "a predictor answers one text with a list of one Answer");
        return NULL;
    }
    return answer;
}

/* Returns {label: score}. */
static PyObject *name_scores(const Teller *self, PyObject *scores)
{
    PyObject *named = PyDict_New();
    Py_ssize_t labels = PyTuple_GET_SIZE(self->labels);
    if (named != NULL && PyList_GET_SIZE(scores) != labels) {
        PyErr_SetString(PyExc_ValueError, "an answer has a score for each label");
        Py_CLEAR(named);
    }
    for (Py_ssize_t at = 0; named != NULL && at < labels; at++) {
        if (PyDict_SetItem(named, PyTuple_GET_ITEM(self->labels, at), PyList_GET_ITEM(scores, at)) < 0)
            Py_CLEAR(named);
    }
    return named;
}

/* Returns the JSON of {"prediction": label, "scores": {label: score}}, as bytes. */
static PyObject *write_body(const Teller *self, PyObject *answer)
{
    Py_ssize_t label = PyLong_AsSsize_t(PyTuple_GET_ITEM(answer, ANSWER_LABEL));
    if (label < 0 || label >= PyTuple_GET_SIZE(self->labels)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "an answer's label is none of the labels");
        return NULL;
    }
    PyObject *scores = name_scores(self, PyTuple_GET_ITEM(answer, ANSWER_SCORES));
    PyObject *said = scores == NULL ? NULL : PyDict_New(), *body = NULL;
    if (said != NULL &&
        PyDict_SetItem(said, self->prediction_name, PyTuple_GET_ITEM(self->labels, label)) == 0 &&
        PyDict_SetItem(said, self->scores_name, scores) == 0)
        body = PyObject_CallOneArg(self->encode, said);
    if (body != NULL && !PyBytes_Check(body)) {
        PyErr_SetString(PyExc_TypeError, "JSON is bytes");
        Py_CLEAR(body);
    }
    Py_XDECREF(scores);
    Py_XDECREF(said);
    return body;
}

/* Returns the request's id as a str: the gateway's, or a new one. */
static PyObject *name_request(const Teller *self, const Found *found)
{
    const Value *given = &found->head.values[REQUEST_ID];
    if (given->bytes != NULL)
        return PyUnicode_DecodeASCII((const char *)given->bytes, given->size, NULL);
    PyObject *id = PyObject_CallNoArgs(self->new_id);
    if (id != NULL && !(PyUnicode_Check(id) && PyUnicode_IS_ASCII(id))) {
        PyErr_SetString(PyExc_TypeError, "a request's id is a str of ASCII");
        Py_CLEAR(id);
    }
    return id;
}

static double read_clock(const Teller *self)
{
    PyObject *now = PyObject_CallNoArgs(self->steady);
    double seconds = now == NULL ? -1 : PyFloat_AsDouble(now);
    Py_XDECREF(now);
    return seconds;
}

/* Counts one text that was answered after so many seconds. */
static void count(const Teller *self, double seconds, double tokens)
{
    double *cells = self->cells.buf;
    Py_ssize_t bucket = 0;
    while (bucket < self->buckets - 1 && self->edges[bucket] < seconds)
        bucket++;
    cells[self->places[AT_OK]] += 1;
    cells[self->places[AT_TEXTS]] += 1;
    cells[self->places[AT_TOKENS]] += tokens;
    cells[self->places[AT_BUCKETS] + bucket] += 1;
    cells[self->places[AT_SUM]] += seconds;
}

static char *put(char *to, const void *bytes, Py_ssize_t size)
{
    memcpy(to, bytes, (size_t)size);
    return to + size;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)
#define WORDS_OF_HEAD 160 /* bytes: more than the names and line ends below */

/* Returns the whole answer; `opening` is its status and uvicorn's own headers. */
static PyObject *write_answer(const Teller *self, PyObject *opening, PyObject *id,
                              const Value *callers, PyObject *body)
{
    Py_ssize_t size = PyBytes_GET_SIZE(opening) + PyBytes_GET_SIZE(self->digest) +
                      PyUnicode_GET_LENGTH(id) + callers->size + PyBytes_GET_SIZE(body);
    PyObject *answer = PyBytes_FromStringAndSize(NULL, size + WORDS_OF_HEAD);
    if (answer == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(answer);
    to = put(to, PyBytes_AS_STRING(opening), PyBytes_GET_SIZE(opening));
    to = PUT(to, "content-length: ");
    to += PyOS_snprintf(to, 24, "%zd", PyBytes_GET_SIZE(body));
    to = PUT(to, "\r\ncontent-type: application/json\r\nx-model-version: ");
    to = put(to, PyBytes_AS_STRING(self->digest), PyBytes_GET_SIZE(self->digest));
    to = PUT(to, "\r\nx-request-id: ");
    to = put(to, PyUnicode_1BYTE_DATA(id), PyUnicode_GET_LENGTH(id));
    if (callers->bytes != NULL) {
        to = PUT(to, "\r\nx-client-request-id: ");
        to = put(to, callers->bytes, callers->size);
    }
    to = PUT(to, "\r\n\r\n");
    to = put(to, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body));
    _PyBytes_Resize(&answer, to - PyBytes_AS_STRING(answer));
    return answer;
}

/* Counts and reports an answer; 0, or -1 with an exception. */
static int settle(const Teller *self, double started, PyObject *id, PyObject *texts, PyObject *answers)
{
    double tokens = PyFloat_AsDouble(PyTuple_GET_ITEM(PyList_GET_ITEM(answers, 0), ANSWER_TOKENS));
    double seconds = PyErr_Occurred() ? 0 : read_clock(self) - started;
    if (PyErr_Occurred())
        return -1;
    count(self, seconds, tokens);
    if (self->report == Py_None)
        return 0;
    PyObject *elapsed = PyFloat_FromDouble(seconds);
    PyObject *arguments[] = {id, elapsed, texts, answers};
    PyObject *done = elapsed == NULL ? NULL : PyObject_Vectorcall(self->report, arguments, 4, NULL);
    Py_XDECREF(elapsed);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *answer_texts(const Teller *self, const Found *found, PyObject *texts,
                              PyObject *opening)
{
    double started = read_clock(self);
    PyObject *answers = PyErr_Occurred() ? NULL : PyObject_CallOneArg(self->answer, texts);
    PyObject *answer = answers == NULL ? NULL : only_answer(answers), *said = NULL;
    PyObject *body = answer == NULL ? NULL : write_body(self, answer);
    PyObject *id = body == NULL ? NULL : name_request(self, found);
    if (id != NULL)
        said = write_answer(self, opening, id, &found->head.values[CLIENT_REQUEST_ID], body);
    if (said != NULL && settle(self, started, id, texts, answers) < 0)
        Py_CLEAR(said);
    Py_XDECREF(id);
    Py_XDECREF(body);
    Py_XDECREF(answers);
    return said;
}

PyDoc_STRVAR(tell_doc,
"tell(packet, start, opening, /)\n--\n\n"
"Return (answer, end) of the request at `start`, which is counted and reported then.\n\n"
"None: it is not one of the usual; nothing has happened. `opening`: what an answer begins with.");

static PyObject *Teller_tell(Teller *self, PyObject *const *arguments, Py_ssize_t count)
{
    Py_ssize_t at;
    Found found;
    const uint8_t *packet = take_packet(arguments, count, &at);
    if (packet == NULL)
        return NULL;
    if (count != 3 || !PyBytes_Check(arguments[2]))
        return PyErr_Format(PyExc_TypeError, "an opening is bytes");
    if (!find_request(self->recogniser, packet, PyBytes_GET_SIZE(arguments[0]), at, &found) ||
        !is_usual(self, &found))
        Py_RETURN_NONE;
    PyObject *texts = read_texts(self, &found);
    if (texts == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    PyObject *answer = answer_texts(self, &found, texts, arguments[2]);
    Py_DECREF(texts);
    return answer == NULL ? NULL : Py_BuildValue("(Nn)", answer, found.end);
}

#include "teller_type.h"

#endif
