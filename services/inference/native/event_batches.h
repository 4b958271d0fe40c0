/* The batch that an EventQueue fills: when it is full, and how it is closed. */

#ifndef EVENT_BATCHES_H
#define EVENT_BATCHES_H

static int is_full(const EventQueue *self)
{
    size_t bytes = 0;
    for (int at = 0; at < COLUMNS; at++)
        bytes += self->columns[at].size;
    return self->rows == ROWS_LIMIT || bytes >= FULL_BYTES;
}

/* Packs {name: column}; all are arrays, but for the projections, which lie one behind the other. */
static int pack_columns(Packed *batch, const Packed *columns, size_t rows)
{
    int done = pack_map(batch, COLUMNS);
    for (int at = 0; done == 0 && at < COLUMNS; at++) {
        const Packed *column = &columns[at];
        if (pack_text(batch, column_names[at], strlen(column_names[at])) < 0 ||
            (at == PROJECTION ? pack_binary_head(batch, column->size) : pack_array(batch, rows)) < 0 ||
            pack_bytes(batch, column->bytes, column->size) < 0)
            done = -1;
    }
    return done;
}

/* Writes the whole batch into `batch`: what all begin with, then its id, its rows, its columns. */
static int pack_batch(EventQueue *self)
{
    Packed *batch = &self->batch;
    PyObject *id = PyObject_CallNoArgs(self->new_id);
    batch->size = 0;
    int done = id == NULL ||
                       pack_bytes(batch, PyBytes_AS_STRING(self->opening),
                                  (size_t)PyBytes_GET_SIZE(self->opening)) < 0 ||
                       pack_text(batch, "batch_id", 8) < 0 || pack_str(batch, id) < 0 ||
                       pack_text(batch, "rows", 4) < 0 || pack_int(batch, self->rows) < 0 ||
                       pack_text(batch, "columns", 7) < 0 ||
                       pack_columns(batch, self->columns, (size_t)self->rows) < 0
                   ? -1
                   : 0;
    Py_XDECREF(id);
    return done;
}

/* Moves what has been filled behind the full batches. */
static int close_batch(EventQueue *self)
{
    if (pack_batch(self) < 0)
        return -1;
    const char *bytes = (const char *)self->batch.bytes;
    PyObject *closed = Py_BuildValue("(y#n)", bytes, (Py_ssize_t)self->batch.size, self->rows);
    int done = closed == NULL ? -1 : PyList_Append(self->batches, closed);
    Py_XDECREF(closed);
    if (done < 0)
        return -1;
    for (int at = 0; at < COLUMNS; at++)
        self->columns[at].size = 0;
    self->rows = 0;
    return 0;
}

#endif
