/* textmodels._measures.Measurer: what text_measures.py and languages.py say of a text, in one pass.
 *
 * The lists of function words and the names of the languages are those of languages.py. */

#include "arrays.h"

#define LANGUAGES 16            /* at most: a bit each */
#define SAMPLE_CHARACTERS 1000  /* as in languages.py, with the next */
#define SAMPLE_TOKENS 150

/* In the order of languages.py, where the first of equals wins. */
enum { CYRILLIC, ARABIC, CJK, GREEK, HEBREW, DEVANAGARI, THAI, SCRIPTS };

typedef struct {
    PyObject_HEAD
    WordTable words;
    uint16_t *masks; /* [words] the languages that have the word */
    uint8_t *spelling;
    PyObject *names; /* the languages, then the scripts, then the unknown */
    int languages;
} Measurer;

static PyObject *lower_method; /* str.lower */

enum { VISIBLE = 1, LETTER = 2 };

static uint8_t ascii_class[128];

static inline int class_of(Py_UCS4 c)
{
    if (c < 128)
        return ascii_class[c];
    return (Py_UNICODE_ISSPACE(c) ? 0 : VISIBLE) | (Py_UNICODE_ISALPHA(c) ? LETTER : 0);
}

static void fill_ascii_class(void)
{
    for (int c = 0; c < 128; c++)
        ascii_class[c] = (Py_ISSPACE(c) || (c >= 0x1c && c <= 0x1f) ? 0 : VISIBLE) |
                         (Py_ISALPHA(c) ? LETTER : 0);
}

static int script_of(Py_UCS4 c)
{
    if (c < 0x370)
        return SCRIPTS;
    if (c <= 0x3ff)
        return GREEK;
    if (c <= 0x52f)
        return CYRILLIC;
    if (c >= 0x590 && c <= 0x5ff)
        return HEBREW;
    if ((c >= 0x600 && c <= 0x6ff) || (c >= 0x750 && c <= 0x77f) || (c >= 0x8a0 && c <= 0x8ff))
        return ARABIC;
    if (c >= 0x900 && c <= 0x97f)
        return DEVANAGARI;
    if (c >= 0xe00 && c <= 0xe7f)
        return THAI;
    if ((c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x4dbf) ||
        (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af))
        return CJK;
    return SCRIPTS;
}

static inline int is_latin(Py_UCS4 c)
{
    return c < 128 ? ascii_class[c] & LETTER : c >= 0xc0 && c <= 0x24f;
}

/* Returns the script that has more letters in the sample than Latin has, else SCRIPTS. */
static int foreign_script(PyObject *sample)
{
    Py_ssize_t counts[SCRIPTS + 1] = {0}, latin = 0;
    int kind = (int)PyUnicode_KIND(sample), most = 0;
    for (Py_ssize_t at = 0; at < PyUnicode_GET_LENGTH(sample); at++) {
        Py_UCS4 letter = PyUnicode_READ(kind, PyUnicode_DATA(sample), at);
        counts[script_of(letter)]++;
        latin += is_latin(letter) != 0;
    }
    for (int script = 1; script < SCRIPTS; script++) {
        if (counts[script] > counts[most])
            most = script;
    }
    return counts[most] > latin ? most : SCRIPTS;
}

/* Reads the next piece between white space from `at` on; returns its bytes, 0 at the end. */
static inline size_t read_piece(const Measurer *self, PyObject *text, Py_ssize_t size,
                                Py_ssize_t *at)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    size_t bytes = 0;
    while (*at < size && !(class_of(PyUnicode_READ(kind, characters, *at)) & VISIBLE))
        ++*at;
    for (; *at < size; ++*at) {
        Py_UCS4 letter = PyUnicode_READ(kind, characters, *at);
        if (!(class_of(letter) & VISIBLE))
            break;
        if (bytes <= self->words.longest) /* the spelling has room for one character more */
            bytes += encode_utf8(letter < 128 ? (Py_UCS4)Py_TOLOWER(letter) : letter,
                                 self->spelling + bytes);
    }
    return bytes;
}

/* Returns the language that has most of the sample's words, unless several have. Beyond ASCII the
 * sample is in lower case. */
static int language_of(const Measurer *self, PyObject *sample, Py_ssize_t size)
{
    int counts[LANGUAGES] = {0}, most = 0, equals = 0;
    Py_ssize_t at = 0;
    for (int tokens = 0; tokens < SAMPLE_TOKENS; tokens++) {
        size_t bytes = read_piece(self, sample, size, &at);
        if (bytes == 0)
            break;
        int32_t word = find_word(&self->words, self->spelling, bytes);
        for (int language = 0; word != ABSENT && language < self->languages; language++)
            counts[language] += self->masks[word] >> language & 1;
    }
    for (int language = 1; language < self->languages; language++) {
        equals = counts[language] == counts[most] ? 1 : counts[language] > counts[most] ? 0 : equals;
        most = counts[language] > counts[most] ? language : most;
    }
    return equals ? self->languages + SCRIPTS : most;
}

/* Returns the position of the language's, or script's, name; -1 when memory runs out. */
static int guess_language(const Measurer *self, PyObject *text)
{
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    if (PyUnicode_IS_ASCII(text))
        return language_of(self, text, size < SAMPLE_CHARACTERS ? size : SAMPLE_CHARACTERS);
    PyObject *sample = PyUnicode_Substring(text, 0, SAMPLE_CHARACTERS);
    int script = sample == NULL ? SCRIPTS : foreign_script(sample), guess = -1;
    if (script != SCRIPTS) {
        guess = self->languages + script;
    } else if (sample != NULL) {
        PyObject *lower = PyObject_CallOneArg(lower_method, sample);
        if (lower != NULL)
            guess = language_of(self, lower, PyUnicode_GET_LENGTH(lower));
        Py_XDECREF(lower);
    }
    Py_XDECREF(sample);
    return guess;
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
    Py_ssize_t size = PyUnicode_GET_LENGTH(text), words = 0, visible = 0, letters = 0;
    int kind = (int)PyUnicode_KIND(text), before = 0;
    const void *characters = PyUnicode_DATA(text);
    for (Py_ssize_t at = 0; at < size; at++) {
        int class = class_of(PyUnicode_READ(kind, characters, at));
        words += class & ~before & VISIBLE;
        visible += class & VISIBLE;
        letters += class >> 1;
        before = class;
    }
    double share = visible == 0 ? 0 : 1 - (double)letters / (double)visible;
    int name = guess_language(self, text);
    return name < 0 ? NULL : Py_BuildValue("nndO", size, words, share,
                                           PyTuple_GET_ITEM(self->names, name));
}

static void Measurer_dealloc(Measurer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free_table(&self->words);
    PyMem_RawFree(self->masks);
    PyMem_RawFree(self->spelling);
    Py_XDECREF(self->names);
    type->tp_free(self);
    Py_DECREF(type);
}

static int load_measurer(Measurer *self, PyObject *lists)
{
    uint32_t masks;
    if (load_words(&self->words, lists) < 0 ||
        (self->masks = copy_array(lists, "masks", 2, &masks)) == NULL ||
        (self->names = PyObject_GetAttrString(lists, "names")) == NULL)
        return -1;
    self->languages = PyTuple_Check(self->names) ? (int)PyTuple_GET_SIZE(self->names) - SCRIPTS - 1 : 0;
    if (self->languages < 1 || self->languages > LANGUAGES || masks != self->words.count)
        return refuse("masks must have one item a word, names one to 16 languages, 7 scripts, 1 more");
    self->spelling = PyMem_RawCalloc(self->words.longest + 8, 1);
    return self->spelling == NULL ? (PyErr_NoMemory(), -1) : 0;
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
    fill_ascii_class();
    lower_method = PyObject_GetAttrString((PyObject *)&PyUnicode_Type, "lower");
    PyObject *module = lower_method == NULL ? NULL : PyModule_Create(&module_definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&measurer_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Measurer", type) < 0)
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
