/* textmodels._measures.Measurer: what text_measures.py says of a text; languages.h guesses its language.
 *
 * A text in ASCII, as most are, is read once. */

#include "languages.h"

typedef struct {
    PyObject_HEAD
    Lists lists;
    PyObject *names; /* the languages, then the scripts, then the unknown */
} Measurer;

static PyObject *lower_method; /* str.lower */

enum { VISIBLE = 1, LETTER = 2 };

static uint8_t ascii_class[128];
static uint8_t ascii_lower[128];

static inline int class_of(Py_UCS4 c)
{
    if (c < 128)
        return ascii_class[c];
    return (Py_UNICODE_ISSPACE(c) ? 0 : VISIBLE) | (Py_UNICODE_ISALPHA(c) ? LETTER : 0);
}

static void fill_ascii(void)
{
    for (int c = 0; c < 128; c++) {
        ascii_class[c] = (Py_ISSPACE(c) || (c >= 0x1c && c <= 0x1f) ? 0 : VISIBLE) |
                         (Py_ISALPHA(c) ? LETTER : 0);
        ascii_lower[c] = (uint8_t)Py_TOLOWER(c);
    }
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

/* Counts a text in ASCII, and returns its language, or -1: what stands in the sample is read as it
 * is counted. */
static int measure_ascii(const Lists *lists, const uint8_t *text, Py_ssize_t size, Counted *counted)
{
    Py_ssize_t sample = size < SAMPLE_CHARACTERS ? size : SAMPLE_CHARACTERS, at = 0;
    Counts counts = {{0, 0}};
    int pieces = 0;
    while (at < sample) {
        Piece piece = {0, 0};
        for (; at < sample; at++) {
            int class = ascii_class[text[at]];
            count_class(counted, class);
            if (!(class & VISIBLE))
                break;
            add_byte(&piece, ascii_lower[text[at]]);
        }
        at += at < sample; /* the white space that was counted */
        if (piece.size > 0 && pieces++ < SAMPLE_TOKENS)
            count_piece(lists, &piece, &counts);
    }
    for (; at < size; at++)
        count_class(counted, ascii_class[text[at]]);
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

static int measure_wide(const Lists *lists, PyObject *text, Counted *counted)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    for (Py_ssize_t at = 0; at < PyUnicode_GET_LENGTH(text); at++)
        count_class(counted, class_of(PyUnicode_READ(kind, characters, at)));
    return guess_wide(lists, text);
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
    return Py_BuildValue("nndO", size, counted.words, share, PyTuple_GET_ITEM(self->names, name));
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
    fill_ascii();
    lower_method = PyObject_GetAttrString((PyObject *)&PyUnicode_Type, "lower");
    PyObject *module = lower_method == NULL ? NULL : PyModule_Create(&module_definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&measurer_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Measurer", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
