/* Reads the word tokens of a text, as textmodels.tokens defines them, and looks each up. */

#ifndef READING_H
#define READING_H

#include "words.h"

/* The words of one text, as they are read. */
typedef struct {
    uint8_t *spelling; /* of one word; longer ones are in no table */
    int32_t *words;    /* [capacity] ABSENT for a word that is not in the table */
    size_t count;
    size_t capacity;
} Words;

static int new_words(const WordTable *table, Words *read)
{
    read->spelling = PyMem_RawCalloc(table->longest + 8, 1);
    return read->spelling == NULL ? -1 : 0;
}

static void free_words(Words *read)
{
    PyMem_RawFree(read->spelling);
    PyMem_RawFree(read->words);
}

/* A text of n characters has at most (n + 1) / 3 words of two and a separator. */
static int reserve_words(Words *read, size_t characters)
{
    size_t wanted = characters / 3 + 1;
    if (wanted <= read->capacity)
        return 0;
    int32_t *words = PyMem_RawRealloc(read->words, wanted * sizeof *words);
    if (words == NULL)
        return -1;
    read->words = words;
    read->capacity = wanted;
    return 0;
}

/* The lower-case form of an ASCII character that a word may hold, else 0. */
static uint8_t ascii_fold[128];

static void fill_ascii_fold(void)
{
    for (int letter = 0; letter < 128; letter++) {
        if (Py_UNICODE_ISALNUM((Py_UCS4)letter) || letter == '_')
            ascii_fold[letter] = (uint8_t)Py_TOLOWER(letter);
    }
}

static void read_ascii_words(const WordTable *table, Words *read, const uint8_t *text, size_t n)
{
    size_t longest = table->longest;
    for (size_t at = 0; at < n; at++) {
        size_t start = at;
        uint8_t letter;
        for (; at < n && (letter = ascii_fold[text[at]]) != 0; at++) {
            if (at - start < longest)
                read->spelling[at - start] = letter;
        }
        if (at - start >= 2)
            read->words[read->count++] = find_word(table, read->spelling, at - start);
    }
}

static inline int is_word_character(Py_UCS4 letter)
{
    return letter < 128 ? ascii_fold[letter] != 0 : Py_UNICODE_ISALNUM(letter);
}

/* Lower case beyond ASCII is the interpreter's business, and done already. */
static void read_wide_words(const WordTable *table, Words *read, PyObject *text, size_t n)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    size_t longest = table->longest;
    for (size_t at = 0; at < n; at++) {
        size_t start = at, bytes = 0;
        for (; at < n; at++) {
            Py_UCS4 letter = PyUnicode_READ(kind, characters, at);
            if (!is_word_character(letter))
                break;
            if (bytes <= longest) /* the spelling has room for one character more */
                bytes += encode_utf8(letter, read->spelling + bytes);
        }
        if (at - start >= 2)
            read->words[read->count++] = find_word(table, read->spelling, bytes);
    }
}

/* Reads a text that is ready, and in lower case unless it is ASCII; -1 when memory runs out. */
static int read_words(const WordTable *table, Words *read, PyObject *text)
{
    size_t characters = (size_t)PyUnicode_GET_LENGTH(text);
    if (reserve_words(read, characters) < 0)
        return -1;
    read->count = 0;
    if (PyUnicode_IS_ASCII(text))
        read_ascii_words(table, read, PyUnicode_1BYTE_DATA(text), characters);
    else
        read_wide_words(table, read, text, characters);
    return 0;
}

#endif
