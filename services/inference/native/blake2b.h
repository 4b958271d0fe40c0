/* Keyed BLAKE2b (RFC 7693) of 16 bytes: hashlib's blake2b(text, key=key, digest_size=16), without
 * the objects around it. The key's block is taken in once. */

#ifndef BLAKE2B_H
#define BLAKE2B_H

#include <stdint.h>
#include <string.h>

#define MAC_BYTES 16
#define KEY_BYTES 32
#define BLOCK 128

typedef struct {
    uint64_t chain[8];
    uint64_t taken; /* bytes */
} Mac;

static const uint64_t mac_start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static inline uint64_t turn_right(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static inline uint64_t read_word(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (int at = 7; at >= 0; at--)
        word = word << 8 | bytes[at];
    return word;
}

#define MIX(a, b, c, d, x, y)       \
    a += b + (x);                   \
    d = turn_right(d ^ a, 32);      \
    c += d;                         \
    b = turn_right(b ^ c, 24);      \
    a += b + (y);                   \
    d = turn_right(d ^ a, 16);      \
    c += d;                         \
    b = turn_right(b ^ c, 63);

/* One round over the words in an order; with constants for the order, all stays in registers. */
#define ROUND(i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, ia, ib, ic, id, ie, if_) \
    MIX(v0, v4, v8, vc, m[i0], m[i1])                                         \
    MIX(v1, v5, v9, vd, m[i2], m[i3])                                         \
    MIX(v2, v6, va, ve, m[i4], m[i5])                                         \
    MIX(v3, v7, vb, vf, m[i6], m[i7])                                         \
    MIX(v0, v5, va, vf, m[i8], m[i9])                                         \
    MIX(v1, v6, vb, vc, m[ia], m[ib])                                         \
    MIX(v2, v7, v8, vd, m[ic], m[id])                                         \
    MIX(v3, v4, v9, ve, m[ie], m[if_])

static void take_block(Mac *mac, const uint8_t *block, size_t size, int last)
{
    uint64_t m[16], *h = mac->chain;
    mac->taken += size;
    for (int at = 0; at < 16; at++)
        m[at] = read_word(block + 8 * at);
    uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    uint64_t v8 = mac_start[0], v9 = mac_start[1], va = mac_start[2], vb = mac_start[3];
    uint64_t vc = mac_start[4] ^ mac->taken, vd = mac_start[5];
    uint64_t ve = last ? ~mac_start[6] : mac_start[6], vf = mac_start[7];
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    h[0] ^= v0 ^ v8, h[1] ^= v1 ^ v9, h[2] ^= v2 ^ va, h[3] ^= v3 ^ vb;
    h[4] ^= v4 ^ vc, h[5] ^= v5 ^ vd, h[6] ^= v6 ^ ve, h[7] ^= v7 ^ vf;
}

/* Begins with a key; each `seal_text` goes on from there. */
static void begin_mac(Mac *mac, const uint8_t key[KEY_BYTES])
{
    uint8_t block[BLOCK] = {0};
    memcpy(block, key, KEY_BYTES);
    memcpy(mac->chain, mac_start, sizeof mac_start);
    mac->chain[0] ^= 0x01010000 ^ KEY_BYTES << 8 ^ MAC_BYTES;
    mac->taken = 0;
    take_block(mac, block, BLOCK, 0);
}

/* Writes the code of a text that is not empty. */
static void seal_text(const Mac *begun, const uint8_t *text, size_t size, uint8_t code[MAC_BYTES])
{
    Mac mac = *begun;
    uint8_t rest[BLOCK] = {0};
    for (; size > BLOCK; text += BLOCK, size -= BLOCK)
        take_block(&mac, text, BLOCK, 0);
    memcpy(rest, text, size);
    take_block(&mac, rest, size, 1);
    for (int at = 0; at < MAC_BYTES; at++)
        code[at] = (uint8_t)(mac.chain[at >> 3] >> 8 * (at & 7));
}

#endif
