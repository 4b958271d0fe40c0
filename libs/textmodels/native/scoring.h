/* Scores one text: reads its words, counts the features they make, sums their weights.
 *
 * Nothing here touches a Python object's count or raises, so it may run without the interpreter's
 * lock. Sums are taken in the order in which scorer_python.py takes them: both give the same bits. */

#ifndef SCORING_H
#define SCORING_H

#include <math.h>

#include "lookup.h"

#define PROJECTED 64 /* numbers that a text is projected to */
#define ENTRIES 4    /* of them that each feature touches */

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

enum { NORM_NONE, NORM_L1, NORM_L2 };

typedef struct {
    WordTable words;
    int32_t *word_columns; /* [words] ABSENT where the word alone is no feature */
    BigramTable bigrams;
    double *records; /* [features][2 + outputs] idf, projection row, idf * coefficient ... */
    double *bias;    /* [outputs] */
    uint32_t features;
    uint32_t outputs; /* 1 for two labels, else one a label */
    int norm;
    int sublinear;
} Model;

/* What one text needs while it is scored. `counts` is all zero between texts. */
typedef struct {
    uint32_t *counts; /* [features] */
    uint8_t *spelling;
    double *decision; /* [outputs] */
    size_t capacity;
    int32_t *words;  /* [capacity] ABSENT for a word the model does not know */
    uint32_t *found; /* [2 * capacity] columns in the order in which the text shows them */
} Scratch;

/* Where the answers for one text go. */
typedef struct {
    float *scores;
    int64_t *label;
    int32_t *tokens;
    float *unknown_share;
    double *projection; /* NULL: not wanted */
} Answer;

/* The lower-case form of an ASCII character that a word may hold, else 0. */
static uint8_t ascii_fold[128];

static void fill_ascii_fold(void)
{
    for (int letter = 0; letter < 128; letter++) {
        if (Py_UNICODE_ISALNUM((Py_UCS4)letter) || letter == '_')
            ascii_fold[letter] = (uint8_t)Py_TOLOWER(letter);
    }
}

/* A text of n characters has at most (n + 1) / 3 words of two and a separator. */
static int reserve(Scratch *scratch, size_t characters)
{
    size_t wanted = characters / 3 + 1;
    if (wanted <= scratch->capacity)
        return 0;
    int32_t *words = PyMem_RawRealloc(scratch->words, wanted * sizeof *words);
    if (words != NULL)
        scratch->words = words;
    uint32_t *found = PyMem_RawRealloc(scratch->found, 2 * wanted * sizeof *found);
    if (found != NULL)
        scratch->found = found;
    if (words == NULL || found == NULL)
        return -1;
    scratch->capacity = wanted;
    return 0;
}

static size_t read_ascii_words(const Model *model, Scratch *scratch, const uint8_t *text, size_t n)
{
    size_t count = 0, longest = model->words.longest;
    for (size_t at = 0; at < n; at++) {
        size_t start = at;
        uint8_t letter;
        for (; at < n && (letter = ascii_fold[text[at]]) != 0; at++) {
            if (at - start < longest)
                scratch->spelling[at - start] = letter;
        }
        if (at - start >= 2)
            scratch->words[count++] = find_word(&model->words, scratch->spelling, at - start);
    }
    return count;
}

static inline int is_word_character(Py_UCS4 letter)
{
    return letter < 128 ? ascii_fold[letter] != 0 : Py_UNICODE_ISALNUM(letter);
}

/* A word character is never half of a surrogate pair, so each has a UTF-8 form. */
static inline size_t encode_utf8(Py_UCS4 letter, uint8_t *to)
{
    if (letter < 0x80) {
        to[0] = (uint8_t)letter;
        return 1;
    }
    size_t size = letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    static const uint8_t leads[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t at = size - 1; at > 0; at--, letter >>= 6)
        to[at] = (uint8_t)(0x80 | (letter & 0x3f));
    to[0] = (uint8_t)(leads[size] | letter);
    return size;
}

/* `text` is in lower case already: beyond ASCII that is the interpreter's business. */
static size_t read_wide_words(const Model *model, Scratch *scratch, PyObject *text, size_t n)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);
    size_t count = 0, longest = model->words.longest;
    for (size_t at = 0; at < n; at++) {
        size_t start = at, bytes = 0;
        for (; at < n; at++) {
            Py_UCS4 letter = PyUnicode_READ(kind, characters, at);
            if (!is_word_character(letter))
                break;
            if (bytes <= longest) /* the spelling has room for one character more */
                bytes += encode_utf8(letter, scratch->spelling + bytes);
        }
        if (at - start >= 2)
            scratch->words[count++] = find_word(&model->words, scratch->spelling, bytes);
    }
    return count;
}

static inline size_t count_column(const Model *model, Scratch *scratch, size_t found,
                                  int32_t column)
{
    if (scratch->counts[column]++ == 0) {
        scratch->found[found++] = (uint32_t)column;
        PREFETCH(model->records + (size_t)column * (2 + model->outputs));
    }
    return found;
}

/* Counts every feature of the words read; returns how many different ones there are. */
static size_t count_features(const Model *model, Scratch *scratch, size_t words, size_t *unknown)
{
    size_t found = 0;
    *unknown = 0;
    for (size_t at = 0; at < words; at++) {
        int32_t word = scratch->words[at];
        int32_t column = word == ABSENT ? ABSENT : model->word_columns[word];
        if (column == ABSENT)
            ++*unknown;
        else
            found = count_column(model, scratch, found, column);
    }
    for (size_t at = 1; at < words; at++) {
        int32_t first = scratch->words[at - 1], second = scratch->words[at];
        if (first == ABSENT || second == ABSENT)
            continue;
        uint64_t pair = (uint64_t)first << 32 | (uint32_t)second;
        uint64_t hash = hash_pair(model->bigrams.key, pair);
        if (!may_hold(&model->bigrams, hash))
            continue;
        int32_t column = find_bigram(&model->bigrams, pair, hash);
        if (column != ABSENT)
            found = count_column(model, scratch, found, column);
    }
    return found;
}

/* Sums the features into `decision` and `projection`, and clears their counts. */
static void sum_features(const Model *model, Scratch *scratch, size_t found, double *projection)
{
    size_t stride = 2 + model->outputs;
    double squares = 0, absolutes = 0;
    memset(scratch->decision, 0, model->outputs * sizeof(double));
    if (projection != NULL)
        memset(projection, 0, PROJECTED * sizeof(double));
    for (size_t at = 0; at < found; at++) {
        uint32_t column = scratch->found[at], count = scratch->counts[column];
        const double *record = model->records + column * stride;
        double weight = count == 1 ? 1 : model->sublinear ? 1 + log(count) : count;
        double value = weight * record[0];
        scratch->counts[column] = 0;
        squares += value * value;
        absolutes += fabs(value);
        for (uint32_t output = 0; output < model->outputs; output++)
            scratch->decision[output] += weight * record[2 + output];
        if (projection != NULL) {
            double signed_value[2] = {value, -value};
            uint8_t row[ENTRIES];
            memcpy(row, record + 1, ENTRIES);
            for (int entry = 0; entry < ENTRIES; entry++)
                projection[row[entry] % PROJECTED] += signed_value[row[entry] >> 7];
        }
    }
    double length = sqrt(squares);
    double norm = model->norm == NORM_L2 ? length : model->norm == NORM_L1 ? absolutes : 1;
    for (uint32_t output = 0; output < model->outputs; output++)
        scratch->decision[output] =
            (norm > 0 ? scratch->decision[output] / norm : 0) + model->bias[output];
    double scale = length > 0 ? 0.5 / length : 0; /* 0.5: the entries' common size */
    for (int entry = 0; projection != NULL && entry < PROJECTED; entry++)
        projection[entry] *= scale;
}

static double sigmoid(double decision)
{
    if (decision >= 0)
        return 1 / (1 + exp(-decision));
    double power = exp(decision);
    return power / (1 + power);
}

/* Writes the probabilities and the best label; the first of equals, as numpy's argmax. */
static void answer_labels(const Model *model, double *decision, const Answer *answer)
{
    if (model->outputs == 1) {
        double second = sigmoid(decision[0]);
        answer->scores[0] = (float)(1 - second);
        answer->scores[1] = (float)second;
        *answer->label = second > 1 - second;
        return;
    }
    uint32_t best = 0;
    double total = 0;
    for (uint32_t label = 1; label < model->outputs; label++) {
        if (decision[label] > decision[best])
            best = label;
    }
    double highest = decision[best];
    for (uint32_t label = 0; label < model->outputs; label++)
        total += decision[label] = exp(decision[label] - highest);
    for (uint32_t label = 0; label < model->outputs; label++)
        answer->scores[label] = (float)(decision[label] / total);
    *answer->label = best;
}

/* `text` is ready, and in lower case unless it is ASCII. Returns how many words it has; SIZE_MAX
 * when memory runs out. */
static size_t read_words(const Model *model, Scratch *scratch, PyObject *text)
{
    size_t characters = (size_t)PyUnicode_GET_LENGTH(text);
    if (reserve(scratch, characters) < 0)
        return SIZE_MAX;
    return PyUnicode_IS_ASCII(text)
        ? read_ascii_words(model, scratch, PyUnicode_1BYTE_DATA(text), characters)
        : read_wide_words(model, scratch, text, characters);
}

/* Returns -1 when memory runs out. */
static int score_text(const Model *model, Scratch *scratch, PyObject *text, const Answer *answer)
{
    size_t unknown, words = read_words(model, scratch, text);
    if (words == SIZE_MAX)
        return -1;
    size_t found = count_features(model, scratch, words, &unknown);
    sum_features(model, scratch, found, answer->projection);
    answer_labels(model, scratch->decision, answer);
    *answer->tokens = (int32_t)words;
    *answer->unknown_share = words == 0 ? 0 : (float)((double)unknown / (double)words);
    return 0;
}

#endif
