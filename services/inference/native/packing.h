/* msgpack, written into memory that grows: values one behind the other.
 *
 * Each `pack_` returns 0, or -1 with an exception and nothing written. Numbers that do not fit a byte
 * take their widest form: batches are not so large that it matters. */

#ifndef PACKING_H
#define PACKING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define HEAD_ROOM 9 /* bytes: for a number, or what stands before a text, an array or a map */

typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
} Packed;

static int grow(Packed *packed, size_t more)
{
    size_t capacity = 2 * packed->capacity + more;
    uint8_t *bytes = PyMem_Realloc(packed->bytes, capacity);
    if (bytes == NULL)
        return PyErr_NoMemory(), -1;
    packed->bytes = bytes;
    packed->capacity = capacity;
    return 0;
}

static inline int make_room(Packed *packed, size_t more)
{
    return packed->capacity - packed->size >= more ? 0 : grow(packed, more);
}

/* The bytes of a number, the highest first, are written as eight: room must be there for nine, of
 * which the first says what it is. */
static inline void put_number(Packed *packed, uint8_t kind, uint64_t number, int bytes)
{
    uint8_t *to = packed->bytes + packed->size;
    number <<= 8 * (8 - bytes);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    number = __builtin_bswap64(number);
#endif
    to[0] = kind;
    memcpy(to + 1, &number, 8);
    packed->size += 1 + (size_t)bytes;
}

static inline void put_byte(Packed *packed, uint8_t byte)
{
    packed->bytes[packed->size++] = byte;
}

static inline void put_bytes(Packed *packed, const void *bytes, size_t size)
{
    if (size > 0) /* nothing may lie nowhere, which memcpy is not to see */
        memcpy(packed->bytes + packed->size, bytes, size);
    packed->size += size;
}

static inline void put_head(Packed *packed, size_t count, uint8_t small, size_t small_most,
                            uint8_t wide)
{
    if (count <= small_most)
        put_byte(packed, (uint8_t)(small | count));
    else if (count <= UINT16_MAX)
        put_number(packed, wide, count, 2);
    else
        put_number(packed, wide + 1, count, 4);
}

static inline int pack_bytes(Packed *packed, const void *bytes, size_t size)
{
    if (make_room(packed, size) < 0)
        return -1;
    put_bytes(packed, bytes, size);
    return 0;
}

/* In four bytes where they hold it exactly: a score was a float before it was a double. */
static inline int pack_float(Packed *packed, double value)
{
    float narrow = (float)value;
    uint32_t narrow_bits;
    uint64_t bits;
    if (make_room(packed, HEAD_ROOM) < 0)
        return -1;
    memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
    memcpy(&bits, &value, sizeof bits);
    if ((double)narrow == value)
        put_number(packed, 0xca, narrow_bits, 4);
    else
        put_number(packed, 0xcb, bits, 8);
    return 0;
}

static inline int pack_int(Packed *packed, int64_t value)
{
    if (make_room(packed, HEAD_ROOM) < 0)
        return -1;
    if (value >= -32 && value < 128)
        put_byte(packed, (uint8_t)value);
    else
        put_number(packed, 0xd3, (uint64_t)value, 8);
    return 0;
}

static inline int pack_bool(Packed *packed, int value)
{
    return pack_bytes(packed, value ? "\xc3" : "\xc2", 1);
}

static inline int pack_array(Packed *packed, size_t count)
{
    if (make_room(packed, HEAD_ROOM) < 0)
        return -1;
    put_head(packed, count, 0x90, 15, 0xdc);
    return 0;
}

static inline int pack_map(Packed *packed, size_t count)
{
    if (make_room(packed, HEAD_ROOM) < 0)
        return -1;
    put_head(packed, count, 0x80, 15, 0xde);
    return 0;
}

static inline int pack_binary_head(Packed *packed, size_t size)
{
    if (make_room(packed, HEAD_ROOM) < 0)
        return -1;
    put_number(packed, 0xc6, size, 4);
    return 0;
}

static inline int pack_text(Packed *packed, const char *text, size_t size)
{
    if (make_room(packed, HEAD_ROOM + size) < 0)
        return -1;
    put_head(packed, size, 0xa0, 31, 0xda);
    put_bytes(packed, text, size);
    return 0;
}

/* Fails on what is no str, and on one that has no UTF-8. */
static inline int pack_str(Packed *packed, PyObject *text)
{
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    return bytes == NULL ? -1 : pack_text(packed, bytes, (size_t)size);
}

#endif
