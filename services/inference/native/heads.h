/* Reads the headers of a request as strictly as can be: RFC 9112 without what it only tolerates.
 *
 * No line is folded, no space stands around a name or behind a value, a line ends in CR and LF, a
 * value is visible ASCII and spaces. None of the headers that matter is given twice. */

#ifndef HEADS_H
#define HEADS_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#define NAMES 48      /* that are known, at most */
#define NAME_LIMIT 64 /* bytes: a longer name is none of them */
#define LENGTH_DIGITS 9

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Cursor;

typedef struct {
    const uint8_t *bytes; /* NULL: not given */
    Py_ssize_t size;
} Value;

typedef struct {
    Py_ssize_t length; /* of the body; -1 until it is given */
    Value values[NAMES];
} Head;

enum { KEEP, REFUSE, LENGTH, CONNECTION };

typedef struct {
    size_t size;
    const uint8_t *bytes;
    int meaning;
    int position; /* among those kept */
} Name;

typedef struct {
    Name known[NAMES];
    int count;
} Names;

/* The lower-case form of a character that a name may hold (RFC 9110's tchar), else 0. */
static uint8_t token_fold[256];

static void fill_token_fold(void)
{
    for (const char *at = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"; *at != 0; at++)
        token_fold[(uint8_t)*at] = (uint8_t)*at;
    for (int letter = 'A'; letter <= 'Z'; letter++)
        token_fold[letter] = (uint8_t)(letter - 'A' + 'a');
}

static inline int add_name(Names *names, const char *bytes, size_t size, int meaning, int position)
{
    if (names->count == NAMES || size > NAME_LIMIT) {
        PyErr_Format(PyExc_ValueError, "at most %d headers of %d bytes are known", NAMES, NAME_LIMIT);
        return -1;
    }
    names->known[names->count++] = (Name){size, (const uint8_t *)bytes, meaning, position};
    return 0;
}

static int add_names(Names *names, PyObject *given, int meaning)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(given); at++) {
        PyObject *name = PyTuple_GET_ITEM(given, at);
        size_t size = (size_t)PyBytes_GET_SIZE(name);
        if (add_name(names, PyBytes_AS_STRING(name), size, meaning, (int)at) < 0)
            return -1;
    }
    return 0;
}

static int fill_names(Names *names, PyObject *kept, PyObject *refused)
{
    return add_name(names, "content-length", 14, LENGTH, 0) < 0 ||
                   add_name(names, "connection", 10, CONNECTION, 0) < 0 ||
                   add_names(names, kept, KEEP) < 0 || add_names(names, refused, REFUSE) < 0
               ? -1
               : 0;
}

static inline int skip(Cursor *cursor, const char *text, size_t size)
{
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, text, size) != 0)
        return 0;
    cursor->at += size;
    return 1;
}

/* Reads a name and its colon; returns its size, 0 when there is none. At most NAME_LIMIT bytes of
 * it are written. */
static inline size_t read_name(Cursor *cursor, uint8_t *name)
{
    size_t size = 0;
    uint8_t letter;
    for (; cursor->at < cursor->end && (letter = token_fold[*cursor->at]) != 0; cursor->at++) {
        if (size < NAME_LIMIT)
            name[size] = letter;
        size++;
    }
    return skip(cursor, ":", 1) ? size : 0;
}

/* Reads a value to the end of its line; 0 unless there is one and it is plain. */
static inline int read_value(Cursor *cursor, Value *value)
{
    while (cursor->at < cursor->end && *cursor->at == ' ')
        cursor->at++;
    value->bytes = cursor->at;
    while (cursor->at < cursor->end && *cursor->at >= ' ' && *cursor->at <= '~')
        cursor->at++;
    value->size = cursor->at - value->bytes;
    return value->size > 0 && value->bytes[value->size - 1] != ' ' && skip(cursor, "\r\n", 2);
}

static inline const Name *find_name(const Names *names, const uint8_t *name, size_t size)
{
    for (int at = 0; at < names->count; at++) {
        if (names->known[at].size == size && memcmp(names->known[at].bytes, name, size) == 0)
            return &names->known[at];
    }
    return NULL;
}

/* Returns the number that digits alone make, -1 for anything else. */
static Py_ssize_t read_length(const Value *value)
{
    Py_ssize_t length = 0;
    if (value->size > LENGTH_DIGITS)
        return -1;
    for (Py_ssize_t at = 0; at < value->size; at++) {
        if (value->bytes[at] < '0' || value->bytes[at] > '9')
            return -1;
        length = 10 * length + (value->bytes[at] - '0');
    }
    return length;
}

static int keeps_alive(const Value *value)
{
    return value->size == 10 && PyOS_mystrnicmp((const char *)value->bytes, "keep-alive", 10) == 0;
}

/* Takes in what a known header says; 0 when it is not for us to understand. */
static int take_header(const Name *name, const Value *value, Head *head)
{
    switch (name->meaning) {
    case KEEP:
        if (head->values[name->position].bytes != NULL)
            return 0;
        head->values[name->position] = *value;
        return 1;
    case LENGTH:
        if (head->length >= 0)
            return 0;
        head->length = read_length(value);
        return head->length >= 0;
    case CONNECTION:
        return keeps_alive(value);
    default:
        return 0;
    }
}

/* Reads headers up to the body; 0 when they are not plain, or not all there. */
static int read_head(const Names *names, Cursor *cursor, Head *head)
{
    uint8_t spelling[NAME_LIMIT];
    while (!skip(cursor, "\r\n", 2)) {
        Value value;
        size_t size = read_name(cursor, spelling);
        if (size == 0 || !read_value(cursor, &value))
            return 0;
        const Name *name = size > NAME_LIMIT ? NULL : find_name(names, spelling, size);
        if (name != NULL && !take_header(name, &value, head))
            return 0;
    }
    return 1;
}

#endif
