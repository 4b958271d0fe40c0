/* The pairs of words that a model knows: (word, word) -> column, as words.h keeps the words. */

#ifndef BIGRAMS_H
#define BIGRAMS_H

#include "words.h"

typedef struct {
    uint64_t pair;  /* first word in the upper half */
    int32_t column; /* ABSENT in an empty slot */
} BigramSlot;

typedef struct {
    uint64_t key[2];
    uint32_t mask;
    BigramSlot *slots;
    uint64_t *filter; /* one bit a hash, 16 or more an entry: fits the cache, the slots do not */
    uint32_t filter_mask;
} BigramTable;

static inline uint64_t hash_pair(const uint64_t key[2], uint64_t pair)
{
    uint64_t hash = (pair ^ key[0]) * (key[1] | 1);
    hash ^= hash >> 32;
    hash *= key[1] | 1;
    return hash ^ (hash >> 29);
}

static inline int may_hold(const BigramTable *table, uint64_t hash)
{
    uint64_t bit = (hash >> 32) & table->filter_mask;
    return (table->filter[bit >> 6] >> (bit & 63)) & 1;
}

static inline int32_t find_bigram(const BigramTable *table, uint64_t pair, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
        if (table->slots[at].column == ABSENT || table->slots[at].pair == pair)
            return table->slots[at].column;
    }
}

static inline int fill_bigrams(BigramTable *table, const uint32_t *words, const uint32_t *columns,
                               uint32_t count)
{
    uint32_t size = slots_for(count);
    table->mask = size - 1;
    table->slots = PyMem_RawMalloc(size * sizeof(BigramSlot));
    table->filter_mask = size >= 1u << 28 ? UINT32_MAX : size * 8 - 1;
    table->filter = PyMem_RawCalloc(((size_t)table->filter_mask + 1) / 64, sizeof(uint64_t));
    if (table->slots == NULL || table->filter == NULL)
        return -1;
    for (uint32_t at = 0; at < size; at++)
        table->slots[at].column = ABSENT;
    for (uint32_t entry = 0; entry < count; entry++) {
        uint64_t pair = (uint64_t)words[2 * entry] << 32 | words[2 * entry + 1];
        uint64_t hash = hash_pair(table->key, pair);
        uint64_t bit = (hash >> 32) & table->filter_mask;
        table->filter[bit >> 6] |= (uint64_t)1 << (bit & 63);
        uint32_t at = (uint32_t)hash & table->mask;
        while (table->slots[at].column != ABSENT && table->slots[at].pair != pair)
            at = (at + 1) & table->mask;
        if (table->slots[at].column == ABSENT)
            table->slots[at] = (BigramSlot){pair, (int32_t)columns[entry]};
    }
    return 0;
}

#endif
