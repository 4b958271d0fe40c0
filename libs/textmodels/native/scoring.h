/* Scores one text: reads its words, counts the features they make, sums their weights.
 *
 * Nothing here touches a Python object's count or raises, so it may run without the interpreter's
 * lock. Sums are taken in the order in which scorer_python.py takes them: both give the same bits. */

#ifndef SCORING_H
#define SCORING_H

#include <math.h>

#include "answers.h"
#include "bigrams.h"
#include "reading.h"

#define ENTRIES 4 /* numbers of the projection that each feature touches */

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

typedef struct {
    uint64_t words;
    uint64_t hash;
} Pair;

/* What one text needs while it is scored. `counts` is all zero between texts. */
typedef struct {
    Words read;
    uint32_t *counts; /* [features] */
    double *decision; /* [outputs] */
    uint32_t *found;  /* [2 * capacity] columns in the order in which the text shows them */
    int32_t *columns; /* [capacity] of the words, then of the pairs */
    Pair *pairs;      /* [capacity] that the model may know */
    size_t capacity;
} Scratch;

static void free_scratch(Scratch *scratch)
{
    if (scratch == NULL)
        return;
    PyMem_RawFree(scratch->counts);
    free_words(&scratch->read);
    PyMem_RawFree(scratch->decision);
    PyMem_RawFree(scratch->found);
    PyMem_RawFree(scratch->columns);
    PyMem_RawFree(scratch->pairs);
    PyMem_RawFree(scratch);
}

static Scratch *new_scratch(const Model *model)
{
    Scratch *scratch = PyMem_RawCalloc(1, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch->counts = PyMem_RawCalloc(model->features, sizeof *scratch->counts);
    scratch->decision = PyMem_RawCalloc(model->outputs, sizeof *scratch->decision);
    if (new_words(&model->words, &scratch->read) < 0 || scratch->counts == NULL ||
        scratch->decision == NULL) {
        free_scratch(scratch);
        return NULL;
    }
    return scratch;
}

/* Makes room for the columns of the words read: at most one a word and one a pair. */
static int reserve(Scratch *scratch)
{
    size_t wanted = scratch->read.count;
    if (wanted <= scratch->capacity)
        return 0;
    uint32_t *found = PyMem_RawRealloc(scratch->found, 2 * wanted * sizeof *found);
    scratch->found = found == NULL ? scratch->found : found;
    int32_t *columns = PyMem_RawRealloc(scratch->columns, wanted * sizeof *columns);
    scratch->columns = columns == NULL ? scratch->columns : columns;
    Pair *pairs = PyMem_RawRealloc(scratch->pairs, wanted * sizeof *pairs);
    scratch->pairs = pairs == NULL ? scratch->pairs : pairs;
    if (found == NULL || columns == NULL || pairs == NULL)
        return -1;
    scratch->capacity = wanted;
    return 0;
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

/* Writes the columns of the words that have one; returns how many. */
static size_t find_word_columns(const Model *model, Scratch *scratch)
{
    size_t columns = 0;
    for (size_t at = 0; at < scratch->read.count; at++) {
        int32_t word = scratch->read.words[at];
        int32_t column = word == ABSENT ? ABSENT : model->word_columns[word];
        scratch->columns[columns] = column;
        if (column != ABSENT) {
            PREFETCH(scratch->counts + column);
            columns++;
        }
    }
    return columns;
}

/* Writes the pairs that the filter lets through; returns how many. */
static size_t sift_pairs(const Model *model, Scratch *scratch)
{
    size_t pairs = 0;
    for (size_t at = 1; at < scratch->read.count; at++) {
        int32_t first = scratch->read.words[at - 1], second = scratch->read.words[at];
        uint64_t words = (uint64_t)(uint32_t)first << 32 | (uint32_t)second;
        uint64_t hash = hash_pair(model->bigrams.key, words);
        scratch->pairs[pairs] = (Pair){words, hash};
        if (first != ABSENT && second != ABSENT && may_hold(&model->bigrams, hash)) {
            PREFETCH(model->bigrams.slots + ((uint32_t)hash & model->bigrams.mask));
            pairs++;
        }
    }
    return pairs;
}

/* Writes the columns of the pairs that the model knows; returns how many. */
static size_t find_pair_columns(const Model *model, Scratch *scratch, size_t pairs)
{
    size_t columns = 0;
    for (size_t at = 0; at < pairs; at++) {
        int32_t column = find_bigram(&model->bigrams, scratch->pairs[at].words, scratch->pairs[at].hash);
        scratch->columns[columns] = column;
        if (column != ABSENT) {
            PREFETCH(scratch->counts + column);
            columns++;
        }
    }
    return columns;
}

/* Counts every feature of the words read; returns how many different ones there are. Each step asks
 * for the memory of the next, so that little of it is waited for. */
static size_t count_features(const Model *model, Scratch *scratch, size_t *unknown)
{
    size_t found = 0, columns = find_word_columns(model, scratch);
    size_t pairs = sift_pairs(model, scratch);
    *unknown = scratch->read.count - columns;
    for (size_t at = 0; at < columns; at++)
        found = count_column(model, scratch, found, scratch->columns[at]);
    columns = find_pair_columns(model, scratch, pairs);
    for (size_t at = 0; at < columns; at++)
        found = count_column(model, scratch, found, scratch->columns[at]);
    return found;
}

/* Sums the features into `decision` and, if any, `half`, and clears their counts. */
static void sum_features(const Model *model, Scratch *scratch, size_t found, uint16_t *half)
{
    double projection[PROJECTED] = {0};
    size_t stride = 2 + model->outputs;
    double squares = 0, absolutes = 0;
    memset(scratch->decision, 0, model->outputs * sizeof(double));
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
        double signed_value[2] = {value, -value};
        uint8_t row[ENTRIES];
        memcpy(row, record + 1, ENTRIES);
        for (int entry = 0; entry < ENTRIES; entry++)
            projection[row[entry] % PROJECTED] += signed_value[row[entry] >> 7];
    }
    double length = sqrt(squares);
    double norm = model->norm == NORM_L2 ? length : model->norm == NORM_L1 ? absolutes : 1;
    for (uint32_t output = 0; output < model->outputs; output++)
        scratch->decision[output] =
            (norm > 0 ? scratch->decision[output] / norm : 0) + model->bias[output];
    double scale = length > 0 ? 0.5 / length : 0; /* 0.5: the entries' common size */
    for (int entry = 0; half != NULL && entry < PROJECTED; entry++)
        half[entry] = to_half(projection[entry] * scale);
}

/* Returns -1 when memory runs out. */
static int score_text(const void *tables, void *memory, PyObject *text, const Answer *answer)
{
    const Model *model = tables;
    Scratch *scratch = memory;
    if (read_words(&model->words, &scratch->read, text) < 0 || reserve(scratch) < 0)
        return -1;
    size_t unknown, words = scratch->read.count;
    size_t found = count_features(model, scratch, &unknown);
    sum_features(model, scratch, found, answer->projection);
    answer_labels(scratch->decision, model->outputs, answer);
    *answer->truncated = 0;
    *answer->tokens = (int32_t)words;
    *answer->unknown_share = words == 0 ? 0 : (float)((double)unknown / (double)words);
    return 0;
}

#endif
