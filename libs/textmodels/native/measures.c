/* textmodels._measures.Measurer: what text_measures.py says of a text; languages.h guesses its language.
 *
 * A text in ASCII, as most are, is read eight characters at a time. */

#include "languages.h"
#include "eights.h"

typedef struct {
    PyObject_HEAD
    Lists lists;
    PyObject *names; /* the languages, then the scripts, then the unknown */
} Measurer;

static PyObject *lower_method; /* str.lower */

enum { VISIBLE = 1, LETTER = 2 };

/* As a text is split: tab to carriage return, four separators, the space. */
static inline uint8_t is_white(uint8_t c)
{
    return ((uint8_t)(c - '\t') <= '\r' - '\t') | ((uint8_t)(c - 0x1c) <= ' ' - 0x1c);
}

static inline uint8_t is_letter(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') <= 'z' - 'a';
}

static inline int class_of(Py_UCS4 c)
{
    if (c < 128)
        return (is_white((uint8_t)c) ? 0 : VISIBLE) | (is_letter((uint8_t)c) ? LETTER : 0);
    return (Py_UNICODE_ISSPACE(c) ? 0 : VISIBLE) | (Py_UNICODE_ISALPHA(c) ? LETTER : 0);
}

typedef struct {
    Py_ssize_t words;
    Py_ssize_t visible;
    Py_ssize_t letters;
    int before; /* the class of the character before the next */
} Counted;

static inline void count_class(Counted *counted, int class)
{
    counted->words += class & ~counted->before & VISIBLE;
    counted->visible += class & VISIBLE;
    counted->letters += class >> 1;
    counted->before = class;
}

/* Counts up to 255 characters, each of which has one before it: in bytes, so that the compiler takes
 * many at a time. */
static void count_some(const uint8_t *text, Py_ssize_t size, Counted *counted)
{
    uint8_t words = 0, visible = 0, letters = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        uint8_t shown = 1 ^ is_white(text[at]);
        words += shown & is_white(text[at - 1]);
        visible += shown;
        letters += is_letter(text[at]);
    }
    counted->words += words;
    counted->visible += visible;
    counted->letters += letters;
}

static void count_ascii(const uint8_t *text, Py_ssize_t size, Counted *counted)
{
    if (size > 0)
        count_class(counted, class_of(text[0]));
    for (Py_ssize_t at = 1; at < size; at += 240)
        count_some(text + at, size - at < 240 ? size - at : 240, counted);
}

/* Returns where white space is among 64 characters, as bits. */
static inline uint64_t find_white(const uint8_t *text)
{
    uint64_t white = 0;
    for (int at = 0; at < 64; at += 8)
        white |= gather_marks(mark_white(read_eight(text + at))) << at;
    return white;
}

/* Returns a piece in lower case; one that is too long to be a function word has its size only. */
static inline Piece read_piece(const uint8_t *text, Py_ssize_t size)
{
    uint64_t first = __builtin_bswap64(lower_eight(read_eight(text)));
    return (Piece){first >> ((64 - 8 * size) & 63), (size_t)size};
}

/* Returns the language of a text in ASCII, or -1. What is read lies in a copy that ends in spaces. */
static int language_of_ascii(const Lists *lists, const uint8_t *text, Py_ssize_t size)
{
    uint8_t sample[SAMPLE_CHARACTERS + 64];
    Counts counts = {{0, 0}};
    Py_ssize_t start = 0;
    int pieces = 0;
    size = size < SAMPLE_CHARACTERS ? size : SAMPLE_CHARACTERS;
    memcpy(sample, text, (size_t)size);
    memset(sample + size, ' ', 64);
    for (Py_ssize_t at = 0; at <= size; at += 64) {
        for (uint64_t white = find_white(sample + at); white != 0; white &= white - 1) {
            Py_ssize_t end = at + __builtin_ctzll(white);
            if (end > start && pieces++ < SAMPLE_TOKENS) {
                Piece piece = read_piece(sample + start, end - start);
                count_piece(lists, &piece, &counts);
            }
            start = end + 1;
        }
    }
    return most_counted(lists, &counts);
}

/* Returns the language of a sample in lower case, or -1. */
static int language_of(const Lists *lists, PyObject *sample)
{
    int kind = (int)PyUnicode_KIND(sample);
    const void *characters = PyUnicode_DATA(sample);
    Py_ssize_t size = PyUnicode_GET_LENGTH(sample), at = 0;
    Counts counts = {{0, 0}};
    for (int pieces = 0; pieces < SAMPLE_TOKENS && at < size; at++) {
        Piece piece = {0, 0};
        for (; at < size; at++) {
            Py_UCS4 letter = PyUnicode_READ(kind, characters, at);
            uint8_t bytes[4];
            if (!(class_of(letter) & VISIBLE))
                break;
            size_t count = encode_utf8(letter, bytes);
            for (size_t byte = 0; byte < count; byte++)
                add_byte(&piece, bytes[byte]);
        }
        if (piece.size > 0) {
            count_piece(lists, &piece, &counts);
            pieces++;
        }
    }
    return most_counted(lists, &counts);
}

/* Returns the position of the name of the language, or script, of a text; -2 when memory runs out. */
static int guess_wide(const Lists *lists, PyObject *text)
{
    PyObject *sample = PyUnicode_Substring(text, 0, SAMPLE_CHARACTERS);
    int script = sample == NULL ? SCRIPTS : foreign_script(sample), guess = -2;
    if (script != SCRIPTS) {
        guess = lists->languages + script;
    } else if (sample != NULL) {
        PyObject *lower = PyObject_CallOneArg(lower_method, sample);
        if (lower != NULL)
            guess = language_of(lists, lower);
        Py_XDECREF(lower);
    }
    Py_XDECREF(sample);
    return guess;
}

static int measure_ascii(const Lists *lists, const uint8_t *text, Py_ssize_t size, Counted *counted)
{
    count_ascii(text, size, counted);
    return language_of_ascii(lists, text, size);
}

static int measure_wide(const Lists *lists, PyObject *text, Counted *counted)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    for (Py_ssize_t at = 0; at < PyUnicode_GET_LENGTH(text); at++)
        count_class(counted, class_of(PyUnicode_READ(kind, characters, at)));
    return guess_wide(lists, text);
}

static PyObject *make_measures(Py_ssize_t characters, Py_ssize_t words, double share, PyObject *name)
{
    PyObject *values[] = {PyLong_FromSsize_t(characters), PyLong_FromSsize_t(words),
                          PyFloat_FromDouble(share), Py_NewRef(name)};
    PyObject *measures = PyTuple_New(4);
    for (int at = 0; at < 4; at++) {
        if (measures != NULL && values[at] != NULL) {
            PyTuple_SET_ITEM(measures, at, values[at]);
        } else {
            Py_CLEAR(measures);
            Py_XDECREF(values[at]);
        }
    }
    return measures;
}

PyDoc_STRVAR(measure_doc,
"measure(text, /)\n--\n\n"
"Return (characters, words, share of the visible that are no letters, language).");

static PyObject *Measurer_measure(Measurer *self, PyObject *text)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a text is a %s, not a str", Py_TYPE(text)->tp_name);
    if (PyUnicode_READY(text) < 0)
        return NULL;
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    Counted counted = {0, 0, 0, 0};
    int name = PyUnicode_IS_ASCII(text)
                   ? measure_ascii(&self->lists, PyUnicode_1BYTE_DATA(text), size, &counted)
                   : measure_wide(&self->lists, text, &counted);
    if (name == -2)
        return NULL;
    if (name == -1)
        name = self->lists.languages + SCRIPTS;
    double share = counted.visible == 0 ? 0 : 1 - (double)counted.letters / (double)counted.visible;
    return make_measures(size, counted.words, share, PyTuple_GET_ITEM(self->names, name));
}

static void Measurer_dealloc(Measurer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->names);
    type->tp_free(self);
    Py_DECREF(type);
}

static int load_measurer(Measurer *self, PyObject *lists)
{
    if (load_lists(&self->lists, lists) < 0 ||
        (self->names = PyObject_GetAttrString(lists, "names")) == NULL)
        return -1;
    Py_ssize_t languages =
        PyTuple_Check(self->names) ? PyTuple_GET_SIZE(self->names) - SCRIPTS - 1 : 0;
    if (languages < 1 || languages > LANGUAGES)
        return refuse("names must be of one to 16 languages, 7 scripts, 1 more");
    self->lists.languages = (int)languages;
    return 0;
}

static PyObject *Measurer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"lists", NULL};
    PyObject *lists;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:Measurer", names, &lists))
        return NULL;
    Measurer *self = (Measurer *)type->tp_alloc(type, 0);
    if (self != NULL && load_measurer(self, lists) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef measurer_methods[] = {
    {"measure", (PyCFunction)Measurer_measure, METH_O, measure_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot measurer_slots[] = {
    {Py_tp_new, Measurer_new},
    {Py_tp_dealloc, Measurer_dealloc},
    {Py_tp_methods, measurer_methods},
    {Py_tp_doc, "Measurer(lists)\n--\n\nMeasures texts with a copy of the lists."},
    {0, NULL},
};

static PyType_Spec measurer_spec = {
    "textmodels._measures.Measurer", sizeof(Measurer), 0, Py_TPFLAGS_DEFAULT, measurer_slots,
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_measures", "What may be reported about a text.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__measures(void)
{
    lower_method = PyObject_GetAttrString((PyObject *)&PyUnicode_Type, "lower");
    PyObject *module = lower_method == NULL ? NULL : PyModule_Create(&module_definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&measurer_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Measurer", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
