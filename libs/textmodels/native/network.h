/* Scores one text by its words' embeddings: the largest of each dimension, then a dense layer.
 *
 * Nothing here touches a Python object's count or raises, so it may run without the interpreter's
 * lock. A maximum does not care how often or where an id occurs, so a text is not padded: the
 * padding takes part once, when the text is shorter than what the network reads. */

#ifndef NETWORK_H
#define NETWORK_H

#include "answers.h"
#include "arrays.h"
#include "reading.h"

enum { PADDING, UNKNOWN, FIRST_TERM }; /* the first rows of the embedding */

typedef struct {
    WordTable words;   /* a word's number is its row, less FIRST_TERM */
    float *embedding;  /* [FIRST_TERM + words, dimension] */
    float *kernel;     /* [dimension, outputs] */
    float *bias;       /* [outputs] */
    float *projection; /* [dimension, PROJECTED] */
    uint32_t dimension;
    uint32_t outputs; /* 1 for two labels, else one a label */
    int max_length;   /* words that are read of a text */
} Model;

/* What one text needs while it is scored. */
typedef struct {
    Words read;
    float *pooled;    /* [dimension] */
    double *decision; /* [outputs] */
} Scratch;

static void free_scratch(Scratch *scratch)
{
    if (scratch == NULL)
        return;
    PyMem_RawFree(scratch->pooled);
    free_words(&scratch->read);
    PyMem_RawFree(scratch->decision);
    PyMem_RawFree(scratch);
}

static Scratch *new_scratch(const Model *model)
{
    Scratch *scratch = PyMem_RawCalloc(1, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch->pooled = PyMem_RawCalloc(model->dimension, sizeof *scratch->pooled);
    scratch->decision = PyMem_RawCalloc(model->outputs, sizeof *scratch->decision);
    if (new_words(&model->words, &scratch->read) < 0 || scratch->pooled == NULL ||
        scratch->decision == NULL) {
        free_scratch(scratch);
        return NULL;
    }
    return scratch;
}

static void pool_row(const Model *model, float *restrict pooled, size_t row)
{
    const float *restrict values = model->embedding + row * model->dimension;
    for (uint32_t at = 0; at < model->dimension; at++)
        pooled[at] = values[at] > pooled[at] ? values[at] : pooled[at];
}

/* Pools the first `words` that were read; returns how many of them are unknown. */
static size_t pool_words(const Model *model, Scratch *scratch, size_t words)
{
    size_t unknown = 0;
    for (uint32_t at = 0; at < model->dimension; at++)
        scratch->pooled[at] = -INFINITY;
    for (size_t at = 0; at < words; at++) {
        int32_t word = scratch->read.words[at];
        unknown += word == ABSENT;
        pool_row(model, scratch->pooled, word == ABSENT ? UNKNOWN : FIRST_TERM + (size_t)word);
    }
    if (words < (size_t)model->max_length)
        pool_row(model, scratch->pooled, PADDING);
    return unknown;
}

static void decide(const Model *model, const float *pooled, double *decision)
{
    for (uint32_t output = 0; output < model->outputs; output++)
        decision[output] = model->bias[output];
    for (uint32_t at = 0; at < model->dimension; at++)
        for (uint32_t output = 0; output < model->outputs; output++)
            decision[output] += (double)pooled[at] * model->kernel[at * model->outputs + output];
}

/* Projects the pooled vector at length 1; one of zeros stays so. */
static void project(const Model *model, const float *pooled, uint16_t *half)
{
    float sums[PROJECTED] = {0};
    double squares = 0;
    for (uint32_t at = 0; at < model->dimension; at++) {
        const float *restrict row = model->projection + (size_t)at * PROJECTED;
        squares += (double)pooled[at] * pooled[at];
        for (int entry = 0; entry < PROJECTED; entry++)
            sums[entry] += pooled[at] * row[entry];
    }
    double scale = squares > 0 ? 1 / sqrt(squares) : 0;
    for (int entry = 0; entry < PROJECTED; entry++)
        half[entry] = to_half(sums[entry] * scale);
}

/* Returns -1 when memory runs out. */
static int score_text(const void *weights, void *memory, PyObject *text, const Answer *answer)
{
    const Model *model = weights;
    Scratch *scratch = memory;
    if (read_words(&model->words, &scratch->read, text) < 0)
        return -1;
    size_t words = scratch->read.count, most = (size_t)model->max_length;
    *answer->truncated = words > most;
    words = words > most ? most : words;
    size_t unknown = pool_words(model, scratch, words);
    decide(model, scratch->pooled, scratch->decision);
    answer_labels(scratch->decision, model->outputs, answer);
    if (answer->projection != NULL)
        project(model, scratch->pooled, answer->projection);
    *answer->tokens = (int32_t)words;
    *answer->unknown_share = words == 0 ? 0 : (float)((double)unknown / (double)words);
    return 0;
}

/* Fills a network of zeros. After a failure, too, `free_model` frees what is there. */
static int load_model(Model *model, PyObject *arrays)
{
    uint32_t embedding, kernel, projection;
    if (load_words(&model->words, arrays) < 0 ||
        load_number(arrays, "max_length", &model->max_length) < 0 ||
        (model->embedding = copy_array(arrays, "embedding", 4, &embedding)) == NULL ||
        (model->kernel = copy_array(arrays, "kernel", 4, &kernel)) == NULL ||
        (model->bias = copy_array(arrays, "bias", 4, &model->outputs)) == NULL ||
        (model->projection = copy_array(arrays, "projection", 4, &projection)) == NULL)
        return -1;
    model->dimension = projection / PROJECTED;
    uint64_t dimension = model->dimension;
    if (dimension == 0 || model->outputs == 0 || model->max_length < 1 ||
        projection != dimension * PROJECTED || kernel != dimension * model->outputs ||
        embedding != dimension * (FIRST_TERM + (uint64_t)model->words.count))
        return refuse("embedding, kernel, bias, projection and max_length must fit together");
    return 0;
}

static void free_model(Model *model)
{
    free_table(&model->words);
    PyMem_RawFree(model->embedding);
    PyMem_RawFree(model->kernel);
    PyMem_RawFree(model->bias);
    PyMem_RawFree(model->projection);
}

#endif
