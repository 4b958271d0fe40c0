/* Eight bytes of ASCII in one number, looked at together: what is true of a byte is its high bit.
 *
 * Bytes are taken in the order of the text, wherever this runs. */

#ifndef EIGHTS_H
#define EIGHTS_H

#include <stdint.h>
#include <string.h>

#define EACH(byte) (0x0101010101010101u * (byte))
#define MARKS EACH(0x80)

static inline uint64_t read_eight(const uint8_t *bytes)
{
    uint64_t eight;
    memcpy(&eight, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

/* Marks the bytes from `low` to `high`. */
static inline uint64_t mark_between(uint64_t eight, uint8_t low, uint8_t high)
{
    return (eight + EACH(0x80 - low)) & ~(eight + EACH(0x7f - high)) & MARKS;
}

/* What str.split takes for white space: tab to carriage return, four separators, the space. */
static inline uint64_t mark_white(uint64_t eight)
{
    return mark_between(eight, '\t', '\r') | mark_between(eight, 0x1c, ' ');
}

static inline uint64_t lower_eight(uint64_t eight)
{
    return eight | mark_between(eight, 'A', 'Z') >> 2; /* 0x20 of each letter */
}

/* Returns the marks as 8 bits, the first byte's the lowest. */
static inline uint64_t gather_marks(uint64_t marks)
{
    return (marks >> 7) * 0x0102040810204080u >> 56;
}

#endif
