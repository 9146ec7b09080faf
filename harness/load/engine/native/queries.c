/* What the native core tells Python: what to look into, and how far everything has come. */

#include "bindings.h"

static PyObject *as_bytes(const Numbers *one)
{
    return PyBytes_FromStringAndSize((char *)one->at, (Py_ssize_t)(one->length * sizeof *one->at));
}

static PyObject *handed_over(Numbers *one)
{
    PyObject *bytes = as_bytes(one);
    one->length = 0;
    return bytes;
}

/* --- what Python must look at */

METHOD(take_diverged)
{
    (void)arguments;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < core->clients_count; i++) {
        Client *client = &core->clients[i];
        if (!client->parted || !client->pending.length)
            continue;
        PyObject *one = Py_BuildValue("iLLy#L", i, (long long)client->heard, (long long)client->looked,
                                      client->pending.at, (Py_ssize_t)client->pending.length,
                                      (long long)client->at_ns);
        if (!one || PyList_Append(list, one))
            Py_CLEAR(list);
        Py_XDECREF(one);
        client->pending.length = 0;
    }
    return list;
}

METHOD(closed)
{
    (void)arguments;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < core->clients_count; i++)
        if (core->clients[i].closed) {
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
    TAKE("i", &number);
    GROUP(number);
    size_t at = group->foreign ? (size_t)(group->parsed - group->base) : group->stream.length;
    return Py_BuildValue("Ly#", (long long)group->parsed, group->stream.at + at,
                         (Py_ssize_t)(group->stream.length - at));
}

METHOD(parse_canonical)
{
    Py_buffer data;
    TAKE("y*", &data);
    Numbers codes = {0}, ends = {0};
    int64_t code;
    Py_ssize_t length, at = 0;
    while ((length = frame(core, (unsigned char *)data.buf + at, (size_t)(data.len - at), &code)) > 0) {
        at += length;
        note(core, &codes, code);
        note(core, &ends, at);
    }
    PyBuffer_Release(&data);
    PyObject *found = Py_BuildValue("NNnO", as_bytes(&codes), as_bytes(&ends), at, length < 0 ? Py_True : Py_False);
    PyMem_RawFree(codes.at);
    PyMem_RawFree(ends.at);
    return found;
}

/* --- what there is */

METHOD(stream_range)
{
    int number;
    TAKE("i", &number);
    GROUP(number);
    return Py_BuildValue("LL", (long long)group->first, (long long)group->count);
}

METHOD(stream_codes)
{
    int number;
    long long start, stop;
    TAKE("iLL", &number, &start, &stop);
    GROUP(number);
    if (start < group->first || stop > group->count || stop < start)
        return PyErr_Format(PyExc_IndexError, "of that group messages %lld to %lld are kept", (long long)group->first,
                            (long long)group->count);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((size_t)(stop - start) * sizeof(int64_t)));
    if (bytes)
        codes_of(group, start, stop, (int64_t *)PyBytes_AS_STRING(bytes));
    return bytes;
}

METHOD(received_count)
{
    int number;
    TAKE("i", &number);
    CLIENT(number);
    return PyLong_FromLongLong(heard(core, client));
}

METHOD(position)
{
    int number;
    TAKE("i", &number);
    CLIENT(number);
    if (client->parted)
        return PyLong_FromLongLong(client->looked);
    return PyLong_FromLongLong(messages(&core->groups[client->group], client->taken));
}

METHOD(sender_counts)
{
    int number;
    TAKE("i", &number);
    VOICE(number);
    return Py_BuildValue("LL", (long long)voice->said, (long long)voice->echoed);
}

METHOD(has_unsent)
{
    (void)arguments;
    for (int i = 0; i < core->clients_count; i++)
        if (core->clients[i].unsent.length)
            Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

METHOD(last_progress_ns) { (void)arguments; return PyLong_FromLongLong(core->progress_ns); }
METHOD(take_sends) { (void)arguments; return handed_over(&core->sends); }
METHOD(take_latencies) { (void)arguments; return handed_over(&core->latencies); }
METHOD(take_lags) { (void)arguments; return handed_over(&core->lags); }
