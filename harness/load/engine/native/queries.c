/* Methods that report the state of a native engine: what Python must look at, and how far everything has come. */

#include "bindings.h"

static PyObject *as_bytes(const Numbers *numbers)
{
    return PyBytes_FromStringAndSize((char *)numbers->data, (Py_ssize_t)(numbers->length * sizeof *numbers->data));
}

/* Return numbers as bytes, and begin anew. */
static PyObject *take_numbers(Numbers *numbers)
{
    PyObject *bytes = as_bytes(numbers);
    numbers->length = 0;
    return bytes;
}

/* --- what Python must look at */

METHOD(take_diverged)
{
    (void)arguments;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < engine->clients_count; i++) {
        Client *client = &engine->clients[i];
        if (!client->diverged || !client->pending.length)
            continue;
        PyObject *row = Py_BuildValue("iLLy#L", i, (long long)client->received, (long long)client->scanned,
                                      client->pending.data, (Py_ssize_t)client->pending.length,
                                      (long long)client->read_ns);
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
        client->pending.length = 0;
    }
    return list;
}

METHOD(closed)
{
    (void)arguments;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < engine->clients_count; i++)
        if (engine->clients[i].closed) {
            PyObject *number = PyLong_FromLong(i);
            if (!number || PyList_Append(list, number))
                Py_CLEAR(list);
            Py_XDECREF(number);
        }
    return list;
}

METHOD(noncanonical)
{
    int number;
    PARSE("i", &number);
    GROUP(number);
    size_t at = group->noncanonical ? (size_t)(group->parsed - group->base) : group->stream.length;
    return Py_BuildValue("Ly#", (long long)group->parsed, group->stream.data + at,
                         (Py_ssize_t)(group->stream.length - at));
}

METHOD(parse_canonical)
{
    Py_buffer data;
    PARSE("y*", &data);
    Numbers codes = {0}, ends = {0};
    int64_t code;
    Py_ssize_t length, at = 0;
    while ((length = parse_frame(engine, (unsigned char *)data.buf + at, (size_t)(data.len - at), &code)) > 0) {
        at += length;
        append_number(engine, &codes, code);
        append_number(engine, &ends, at);
    }
    PyBuffer_Release(&data);
    PyObject *frames = Py_BuildValue("NNnO", as_bytes(&codes), as_bytes(&ends), at, length < 0 ? Py_True : Py_False);
    PyMem_RawFree(codes.data);
    PyMem_RawFree(ends.data);
    return frames;
}

/* --- counts and messages */

METHOD(stream_range)
{
    int number;
    PARSE("i", &number);
    GROUP(number);
    return Py_BuildValue("LL", (long long)group->first, (long long)group->count);
}

METHOD(stream_codes)
{
    int number;
    long long start, stop;
    PARSE("iLL", &number, &start, &stop);
    GROUP(number);
    if (start < group->first || stop > group->count || stop < start)
        return PyErr_Format(PyExc_IndexError, "the messages kept of this group are %lld to %lld",
                            (long long)group->first, (long long)group->count);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((size_t)(stop - start) * sizeof(int64_t)));
    if (bytes)
        copy_codes(group, start, stop, (int64_t *)PyBytes_AS_STRING(bytes));
    return bytes;
}

METHOD(received_count)
{
    int number;
    PARSE("i", &number);
    CLIENT(number);
    return PyLong_FromLongLong(received_count(engine, client));
}

METHOD(position)
{
    int number;
    PARSE("i", &number);
    CLIENT(number);
    if (client->diverged)
        return PyLong_FromLongLong(client->scanned);
    return PyLong_FromLongLong(messages_within(&engine->groups[client->group], client->offset));
}

METHOD(sender_counts)
{
    int number;
    PARSE("i", &number);
    SENDER(number);
    return Py_BuildValue("LL", (long long)sender->sent, (long long)sender->echoed);
}

METHOD(has_unsent)
{
    (void)arguments;
    for (int i = 0; i < engine->clients_count; i++)
        if (engine->clients[i].unsent.length)
            Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

METHOD(last_progress_ns) { (void)arguments; return PyLong_FromLongLong(engine->progress_ns); }
METHOD(take_sends) { (void)arguments; return take_numbers(&engine->sends); }
METHOD(take_latencies) { (void)arguments; return take_numbers(&engine->latencies); }
METHOD(take_lags) { (void)arguments; return take_numbers(&engine->lags); }
