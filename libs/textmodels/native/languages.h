/* Guesses a text's language as languages.py does: by its script, else by its function words.
 *
 * The lists and the names are those of languages.py. A word has at most 7 bytes, so that it and its
 * size are one number; the lists are ours, so their table needs no secret hash. */

#ifndef LANGUAGES_H
#define LANGUAGES_H

#include "arrays.h"

#define LANGUAGES 16            /* at most: a byte of a count each */
#define SAMPLE_CHARACTERS 1000  /* as in languages.py, with the next */
#define SAMPLE_TOKENS 150
#define WORD_BYTES 7
#define WORD_BITS 10
#define WORD_SLOTS (1 << WORD_BITS)
#define WORDS (WORD_SLOTS * 3 / 8) /* at most: few are searched for twice */

/* In the order of languages.py, where the first of equals wins. */
enum { CYRILLIC, ARABIC, CJK, GREEK, HEBREW, DEVANAGARI, THAI, SCRIPTS };

typedef struct {
    uint64_t counts[2]; /* a byte a language */
} Counts;

typedef struct {
    uint64_t piece; /* 0 in an empty slot */
    Counts counts;  /* 1 for each language that has the word */
} FunctionWord;

typedef struct {
    FunctionWord words[WORD_SLOTS];
    int languages;
} Lists;

/* What is between white space, as it is read: its last bytes above its size. */
typedef struct {
    uint64_t bytes;
    size_t size;
} Piece;

static inline void add_byte(Piece *piece, uint8_t byte)
{
    piece->bytes = piece->bytes << 8 | byte;
    piece->size++;
}

static inline FunctionWord *slot_of(const Lists *lists, uint64_t piece)
{
    return (FunctionWord *)lists->words + (piece * 0x9e3779b97f4a7c15u >> (64 - WORD_BITS));
}

/* Counts a piece for each language that has it. The table is never full: a search ends. */
static inline void count_piece(const Lists *lists, const Piece *piece, Counts *counts)
{
    if (piece->size > WORD_BYTES)
        return;
    uint64_t wanted = piece->bytes << 8 | piece->size;
    const FunctionWord *word = slot_of(lists, wanted);
    while (word->piece != 0 && word->piece != wanted)
        word = word + 1 == lists->words + WORD_SLOTS ? lists->words : word + 1;
    counts->counts[0] += word->counts.counts[0];
    counts->counts[1] += word->counts.counts[1];
}

/* Returns the language that has most of the words, or -1 when several have. */
static int most_counted(const Lists *lists, const Counts *counts)
{
    int most = -1, language = -1;
    for (int at = 0; at < lists->languages; at++) {
        int count = (int)(counts->counts[at >> 3] >> 8 * (at & 7) & 0xff);
        language = count > most ? at : count == most ? -1 : language;
        most = count > most ? count : most;
    }
    return language;
}

static int add_word(Lists *lists, const uint8_t *spelling, size_t size, uint16_t mask)
{
    Piece piece = {0, 0};
    for (size_t at = 0; at < size; at++)
        add_byte(&piece, spelling[at]);
    if (size == 0 || size > WORD_BYTES)
        return refuse("a function word has 1 to 7 bytes");
    uint64_t number = piece.bytes << 8 | size;
    FunctionWord *word = slot_of(lists, number);
    while (word->piece != 0 && word->piece != number)
        word = word + 1 == lists->words + WORD_SLOTS ? lists->words : word + 1;
    word->piece = number;
    for (int language = 0; language < LANGUAGES; language++)
        word->counts.counts[language >> 3] |= (uint64_t)(mask >> language & 1) << 8 * (language & 7);
    return 0;
}

/* Fills lists of zeros from `word_text`, `word_ends` and `masks`. */
static int load_lists(Lists *lists, PyObject *given)
{
    WordTable words = {0};
    uint32_t masks = 0;
    uint16_t *mask = NULL;
    int done = load_words(&words, given);
    if (done == 0 && (mask = copy_array(given, "masks", 2, &masks)) == NULL)
        done = -1;
    if (done == 0 && (masks != words.count || masks > WORDS))
        done = refuse("masks must have one item a word, of 384 at most");
    for (uint32_t at = 0; done == 0 && at < masks; at++) {
        size_t size;
        const uint8_t *spelling = spelling_of(&words, at, &size);
        done = add_word(lists, spelling, size, mask[at]);
    }
    PyMem_RawFree(mask);
    free_table(&words);
    return done;
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
    return c < 128 ? Py_ISALPHA(c) : c >= 0xc0 && c <= 0x24f;
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

#endif
