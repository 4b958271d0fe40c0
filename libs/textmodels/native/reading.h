/* Reads the word tokens of a text, as textmodels.tokens defines them, and looks each up. */

#ifndef READING_H
#define READING_H

#include "eights.h"
#include "words.h"

#define READ_AHEAD 80 /* bytes: a look at 64 characters, or at the 16 from a word's start */

/* A word that is looked up in three steps, so that no word waits for another's memory. */
typedef struct {
    Block block; /* of zeros: a longer word, which was looked up at once */
    uint64_t hash;
    uint32_t at; /* the slot of the candidate */
} Sought;

/* The words of one text, as they are read. */
typedef struct {
    uint8_t *spelling; /* of one word; longer ones are in no table */
    uint8_t *lower;    /* [lower_size] a text in ASCII in lower case, and zeros */
    size_t lower_size;
    Sought *sought;    /* [capacity] */
    int32_t *words;    /* [capacity] ABSENT for a word that is not in the table */
    size_t count;
    size_t capacity;
} Words;

static int new_words(const WordTable *table, Words *read)
{
    read->spelling = PyMem_RawCalloc(table->longest + sizeof(Block) + 8, 1);
    return read->spelling == NULL ? -1 : 0;
}

static void free_words(Words *read)
{
    PyMem_RawFree(read->spelling);
    PyMem_RawFree(read->lower);
    PyMem_RawFree(read->sought);
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
    Sought *sought = PyMem_RawRealloc(read->sought, wanted * sizeof *sought);
    if (sought == NULL)
        return -1;
    read->sought = sought;
    read->capacity = wanted;
    return 0;
}

/* Takes in a word, of which 16 bytes can be read, and asks for the memory that it will need. */
static inline void seek_word(const WordTable *table, Words *read, const uint8_t *spelling, size_t size)
{
    Sought *sought = read->sought + read->count;
    if (size > BLOCK_BYTES) {
        sought->block = (Block){0, 0};
        read->words[read->count] = find_word(table, spelling, size);
    } else {
        sought->block = block_of(spelling, size);
        sought->hash = hash_block(table->key, sought->block);
        sought->at = (uint32_t)sought->hash & table->mask;
        PREFETCH(table->slots + sought->at);
    }
    read->count++;
}

/* Looks the words up that were sought. */
static void find_words(const WordTable *table, Words *read)
{
    for (size_t at = 0; at < read->count; at++) {
        Sought *sought = read->sought + at;
        if (sought->block.high == 0)
            continue;
        read->words[at] = next_candidate(table, sought->hash, &sought->at);
        if (read->words[at] != ABSENT)
            PREFETCH(table->blocks + read->words[at]);
    }
    for (size_t at = 0; at < read->count; at++) {
        const Sought *sought = read->sought + at;
        if (sought->block.high != 0)
            read->words[at] = check_candidate(table, sought->block, sought->hash, sought->at,
                                              read->words[at]);
    }
}

/* Writes a text in lower case, and behind it as much as may be read ahead; -1: no memory. */
static int lower_ascii(Words *read, const uint8_t *text, size_t n)
{
    if (n + READ_AHEAD > read->lower_size) {
        uint8_t *lower = PyMem_RawRealloc(read->lower, n + READ_AHEAD);
        if (lower == NULL)
            return -1;
        read->lower = lower;
        read->lower_size = n + READ_AHEAD;
    }
    for (size_t at = 0; at < n; at++)
        read->lower[at] = text[at] | (uint8_t)((uint8_t)(text[at] - 'A') <= 'Z' - 'A') << 5;
    memset(read->lower + n, 0, READ_AHEAD);
    return 0;
}

/* Returns which of 64 characters in lower case a word may hold, as bits. */
static inline uint64_t find_word_characters(const uint8_t *lower)
{
    uint64_t found = 0;
    for (int at = 0; at < 64; at += 8) {
        uint64_t eight = read_eight(lower + at);
        found |= gather_marks(mark_between(eight, 'a', 'z') | mark_between(eight, '0', '9') |
                              mark_between(eight, '_', '_'))
                 << at;
    }
    return found;
}

/* Reads the words between the places where words begin and end, which take turns. */
static void read_ascii_words(const WordTable *table, Words *read, size_t n)
{
    size_t start = 0;
    uint64_t inside = 0; /* the last character before is a word's */
    for (size_t at = 0; at <= n; at += 64) {
        uint64_t word = find_word_characters(read->lower + at);
        for (uint64_t turns = word ^ (word << 1 | inside); turns != 0; turns &= turns - 1) {
            size_t turn = at + (size_t)__builtin_ctzll(turns);
            inside ^= 1;
            if (inside)
                start = turn;
            else if (turn - start >= 2)
                seek_word(table, read, read->lower + start, turn - start);
        }
    }
}

static inline int is_word_character(Py_UCS4 letter)
{
    return letter == '_' || Py_UNICODE_ISALNUM(letter);
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
            seek_word(table, read, read->spelling, bytes);
    }
}

/* Reads a text that is ready, and in lower case unless it is ASCII; -1 when memory runs out. */
static int read_words(const WordTable *table, Words *read, PyObject *text)
{
    size_t characters = (size_t)PyUnicode_GET_LENGTH(text);
    if (reserve_words(read, characters) < 0)
        return -1;
    read->count = 0;
    if (!PyUnicode_IS_ASCII(text))
        read_wide_words(table, read, text, characters);
    else if (lower_ascii(read, PyUnicode_1BYTE_DATA(text), characters) == 0)
        read_ascii_words(table, read, characters);
    else
        return -1;
    find_words(table, read);
    return 0;
}

#endif
