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

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "written for machines that keep the low byte first: others have the twin in Python"
#endif

#define ABSENT (-1)
#define BLOCK_BYTES 15 /* longer words are few, and compared byte by byte */

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

typedef struct {
    uint32_t tag; /* bits of the hash that did not choose the slot: most misses end here */
    int32_t word; /* ABSENT in an empty slot */
} WordSlot;

/* A word of at most 15 bytes: these, zeros, and in the last byte how many there are. */
typedef struct {
    uint64_t low;
    uint64_t high;
} Block;

typedef struct {
    uint64_t key[2];
    uint32_t mask;
    WordSlot *slots;
    Block *blocks;  /* [count] size 255 where the word is longer */
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

static inline void begin_hash(const uint64_t key[2], uint64_t v[4])
{
    v[0] = key[0] ^ 0x736f6d6570736575u;
    v[1] = key[1] ^ 0x646f72616e646f6du;
    v[2] = key[0] ^ 0x6c7967656e657261u;
    v[3] = key[1] ^ 0x7465646279746573u;
}

static inline void add_hash(uint64_t v[4], uint64_t block)
{
    v[3] ^= block;
    sip_round(v);
    v[0] ^= block;
}

static inline uint64_t end_hash(uint64_t v[4])
{
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012), the hash that Python uses for its own strings. */
static inline uint64_t hash_bytes(const uint64_t key[2], const uint8_t *bytes, size_t size)
{
    uint64_t v[4], block;
    size_t position = 0;
    begin_hash(key, v);
    for (; position + 8 <= size; position += 8) {
        memcpy(&block, bytes + position, 8);
        add_hash(v, block);
    }
    block = (uint64_t)size << 56;
    for (size_t shift = 0; position < size; position++, shift += 8)
        block |= (uint64_t)bytes[position] << shift;
    add_hash(v, block);
    return end_hash(v);
}

/* The same of a word that is a block. */
static inline uint64_t hash_block(const uint64_t key[2], Block block)
{
    uint64_t v[4], size = block.high & (uint64_t)0xff << 56;
    begin_hash(key, v);
    if (size >= (uint64_t)8 << 56) {
        add_hash(v, block.low);
        add_hash(v, block.high);
    } else {
        add_hash(v, block.low | size);
    }
    return end_hash(v);
}

/* Of the 16 bytes that can be read there the first are the word's: 1 to 15. */
static inline Block block_of(const uint8_t *spelling, size_t size)
{
    Block block;
    memcpy(&block, spelling, sizeof block);
    uint64_t kept = ((uint64_t)1 << 8 * (size & 7)) - 1;
    block.low &= size < 8 ? kept : UINT64_MAX;
    block.high = (size < 8 ? 0 : block.high & kept) | (uint64_t)size << 56;
    return block;
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

/* Returns the word of the first slot from `at` on that has the hash's tag, else ABSENT. */
static inline int32_t next_candidate(const WordTable *table, uint64_t hash, uint32_t *at)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (;; *at = (*at + 1) & table->mask) {
        WordSlot slot = table->slots[*at];
        if (slot.word == ABSENT || slot.tag == tag)
            return slot.word;
    }
}

/* Finds a word of any length. */
static inline int32_t find_word(const WordTable *table, const uint8_t *spelling, size_t size)
{
    if (size > table->longest)
        return ABSENT;
    uint64_t hash = hash_bytes(table->key, spelling, size);
    for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
        int32_t word = next_candidate(table, hash, &at);
        size_t found_size;
        const uint8_t *found = word == ABSENT ? NULL : spelling_of(table, (uint32_t)word, &found_size);
        if (found == NULL || (found_size == size && memcmp(found, spelling, size) == 0))
            return word;
    }
}

/* Returns the candidate if it is the block's word, else the word that is, else ABSENT. */
static inline int32_t check_candidate(const WordTable *table, Block block, uint64_t hash, uint32_t at,
                                      int32_t word)
{
    while (word != ABSENT) {
        Block found = table->blocks[word];
        if (found.low == block.low && found.high == block.high)
            return word;
        at = (at + 1) & table->mask;
        word = next_candidate(table, hash, &at);
    }
    return ABSENT;
}

static inline Block block_of_known(const uint8_t *spelling, size_t size)
{
    uint8_t padded[sizeof(Block)] = {0};
    if (size == 0 || size > BLOCK_BYTES)
        return (Block){0, (uint64_t)0xff << 56};
    memcpy(padded, spelling, size);
    return block_of(padded, size);
}

/* `ends` must not decrease, nor end behind `text`: the caller has checked it. */
static inline int fill_words(WordTable *table)
{
    uint32_t size = slots_for(table->count);
    table->mask = size - 1;
    table->slots = PyMem_RawMalloc(size * sizeof(WordSlot));
    table->blocks = PyMem_RawMalloc((table->count + 1) * sizeof(Block));
    if (table->slots == NULL || table->blocks == NULL)
        return -1;
    for (uint32_t at = 0; at < size; at++)
        table->slots[at].word = ABSENT;
    for (uint32_t word = 0; word < table->count; word++) {
        size_t bytes;
        const uint8_t *spelling = spelling_of(table, word, &bytes);
        if (bytes > table->longest)
            table->longest = bytes;
        table->blocks[word] = block_of_known(spelling, bytes);
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
