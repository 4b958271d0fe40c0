/* Loads the tables of tfidf_linear. */

#ifndef LOADING_H
#define LOADING_H

#include "arrays.h"
#include "scoring.h"

static int load_word_columns(Model *model, PyObject *tables)
{
    uint32_t columns;
    model->word_columns = copy_array(tables, "word_columns", 4, &columns);
    if (model->word_columns == NULL)
        return -1;
    if (columns != model->words.count)
        return refuse("word_columns must have one item a word");
    for (uint32_t word = 0; word < columns; word++) {
        if (model->word_columns[word] < ABSENT ||
            model->word_columns[word] >= (int64_t)model->features)
            return refuse("word_columns must be columns or -1");
    }
    return 0;
}

static int load_bigrams(Model *model, PyObject *tables)
{
    uint32_t words, count;
    int done = -1;
    uint32_t *pairs = copy_array(tables, "bigram_words", 4, &words);
    uint32_t *columns = pairs == NULL ? NULL : copy_array(tables, "bigram_columns", 4, &count);
    if (columns == NULL)
        goto end;
    if (words != 2 * count) {
        refuse("bigram_words must have two items a bigram");
        goto end;
    }
    for (uint32_t at = 0; at < count; at++) {
        if (columns[at] >= model->features) {
            refuse("bigram_columns must be columns");
            goto end;
        }
    }
    done = fill_bigrams(&model->bigrams, pairs, columns, count);
    if (done < 0)
        PyErr_NoMemory();
end:
    PyMem_RawFree(pairs);
    PyMem_RawFree(columns);
    return done;
}

/* Joins what is needed of a feature at one place in memory. */
static int load_records(Model *model, PyObject *tables)
{
    uint32_t weights = 0, bytes = 0;
    double *idf = copy_array(tables, "idf", 8, &model->features);
    double *weight = idf == NULL ? NULL : copy_array(tables, "weights", 8, &weights);
    uint8_t *rows = weight == NULL ? NULL : copy_array(tables, "projection_rows", 1, &bytes);
    int done = -1;
    if (rows == NULL || (model->bias = copy_array(tables, "bias", 8, &model->outputs)) == NULL)
        goto end;
    size_t features = model->features, outputs = model->outputs, stride = 2 + outputs;
    if (outputs == 0 || weights != features * outputs || bytes != features * ENTRIES) {
        refuse("weights must be [features, outputs] and projection_rows [features, 4]");
        goto end;
    }
    if ((model->records = PyMem_RawCalloc(features * stride + 1, sizeof(double))) == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    for (size_t column = 0; column < features; column++) {
        double *record = model->records + column * stride;
        record[0] = idf[column];
        memcpy(record + 1, rows + column * ENTRIES, ENTRIES);
        memcpy(record + 2, weight + column * outputs, outputs * sizeof(double));
    }
    done = 0;
end:
    PyMem_RawFree(idf);
    PyMem_RawFree(weight);
    PyMem_RawFree(rows);
    return done;
}

/* Fills a model of zeros. After a failure, too, `free_model` frees what is there. */
static int load_model(Model *model, PyObject *tables)
{
    if (draw_key(model->bigrams.key) < 0 || load_records(model, tables) < 0 ||
        load_words(&model->words, tables) < 0 || load_word_columns(model, tables) < 0 ||
        load_bigrams(model, tables) < 0 ||
        load_number(tables, "norm", &model->norm) < 0 ||
        load_number(tables, "sublinear_tf", &model->sublinear) < 0)
        return -1;
    return 0;
}

static void free_model(Model *model)
{
    free_table(&model->words);
    PyMem_RawFree(model->word_columns);
    PyMem_RawFree(model->bigrams.slots);
    PyMem_RawFree(model->bigrams.filter);
    PyMem_RawFree(model->records);
    PyMem_RawFree(model->bias);
}

#endif
