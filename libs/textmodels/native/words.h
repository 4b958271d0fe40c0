/* The words that a model knows: word -> number.
 *
 * The table is filled once, when a model is loaded, and only read after that. Its hash is keyed by
 * random bytes of this process, so neither a text nor a vocabulary can be written that gathers
 * many entries in one place. */

#ifndef WORDS_H
#define WORDS_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#define ABSENT (-1)

typedef struct {
    uint32_t tag; /* bits of the hash that did not choose the slot: most misses end here */
    int32_t word; /* ABSENT in an empty slot */
} WordSlot;

typedef struct {
    uint64_t key[2];
    uint32_t mask;
    WordSlot *slots;
    uint8_t *text;  /* the words in UTF-8, one after another */
    uint32_t *ends; /* [count] where each word ends in `text` */
    uint32_t count;
    size_t longest; /* bytes */
} WordTable;

static inline uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotate_left(v[1], 13) ^ v[0]; v[0] = rotate_left(v[0], 32);
    v[2] += v[3]; v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3]; v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1]; v[1] = rotate_left(v[1], 17) ^ v[2]; v[2] = rotate_left(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012), the hash that Python uses for its own strings. */
static inline uint64_t hash_bytes(const uint64_t key[2], const uint8_t *bytes, size_t size)
{
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
        key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u,
    };
    uint64_t block;
    size_t position = 0;
    for (; position + 8 <= size; position += 8) {
        memcpy(&block, bytes + position, 8);
        v[3] ^= block;
        sip_round(v);
        v[0] ^= block;
    }
    block = (uint64_t)size << 56;
    for (size_t shift = 0; position < size; position++, shift += 8)
        block |= (uint64_t)bytes[position] << shift;
    v[3] ^= block;
    sip_round(v);
    v[0] ^= block;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* At most half full, so a search that fails ends after two or three slots. */
static inline uint32_t slots_for(uint32_t entries)
{
    uint32_t size = 16;
    while (size < 2 * (uint64_t)entries && size < 1u << 31)
        size *= 2;
    return size;
}

static inline const uint8_t *spelling_of(const WordTable *table, uint32_t word, size_t *size)
{
    uint32_t start = word == 0 ? 0 : table->ends[word - 1];
    *size = table->ends[word] - start;
    return table->text + start;
}

static inline int32_t find_word(const WordTable *table, const uint8_t *spelling, size_t size)
{
    if (size > table->longest)
        return ABSENT;
    uint64_t hash = hash_bytes(table->key, spelling, size);
    uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
        WordSlot slot = table->slots[at];
        if (slot.word == ABSENT)
            return ABSENT;
        if (slot.tag == tag) {
            size_t found_size;
            const uint8_t *found = spelling_of(table, (uint32_t)slot.word, &found_size);
            if (found_size == size && memcmp(found, spelling, size) == 0)
                return slot.word;
        }
    }
}

/* `ends` must not decrease, nor end behind `text`: the caller has checked it. */
static inline int fill_words(WordTable *table)
{
    uint32_t size = slots_for(table->count);
    table->mask = size - 1;
    table->slots = PyMem_RawMalloc(size * sizeof(WordSlot));
    if (table->slots == NULL)
        return -1;
    for (uint32_t at = 0; at < size; at++)
        table->slots[at].word = ABSENT;
    for (uint32_t word = 0; word < table->count; word++) {
        size_t bytes;
        const uint8_t *spelling = spelling_of(table, word, &bytes);
        if (bytes > table->longest)
            table->longest = bytes;
        uint64_t hash = hash_bytes(table->key, spelling, bytes);
        uint32_t at = (uint32_t)hash & table->mask;
        while (table->slots[at].word != ABSENT)
            at = (at + 1) & table->mask;
        table->slots[at] = (WordSlot){(uint32_t)(hash >> 32), (int32_t)word};
    }
    return 0;
}

/* Half of a surrogate pair has no UTF-8 form: what it gets here is no word's. */
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

#endif
