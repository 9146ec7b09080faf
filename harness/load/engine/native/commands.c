/* Methods that change a native engine: clients, sending, one turn of the loop, and what only Python can decode. */

#include "bindings.h"

#include <sys/epoll.h>

static PyObject *none_or_error(Engine *engine)
{
    if (engine->reason & NO_MEMORY)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

METHOD(add)
{
    int fd, group, is_in_step;
    PARSE("iip", &fd, &group, &is_in_step);
    if (group != -1 && !is_valid(group, engine->groups_count, "group"))
        return NULL;
    if (engine->clients_count == engine->clients_capacity) {
        int capacity = engine->clients_capacity ? engine->clients_capacity * 2 : 64;
        Client *clients = PyMem_RawRealloc(engine->clients, (size_t)capacity * sizeof *clients);
        if (!clients)
            return PyErr_NoMemory();
        engine->clients = clients;
        engine->clients_capacity = capacity;
    }
    int number = engine->clients_count++;
    Client *client = &engine->clients[number];
    *client = (Client){.fd = fd, .group = group, .first_sender = -1, .diverged = !is_in_step};
    for (int i = engine->senders_count - 1; i >= 0; i--)
        if (engine->senders[i].client == number) {
            engine->senders[i].next = client->first_sender;
            client->first_sender = i;
        }
    watch(engine, number, EPOLL_CTL_ADD);
    return PyLong_FromLong(number);
}

METHOD(drop)
{
    int number;
    PARSE("i", &number);
    CLIENT(number);
    if (!client->closed)
        epoll_ctl(engine->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    client->closed = true;
    Py_RETURN_NONE;
}

/* --- sending */

METHOD(flood)
{
    int number;
    long long max_in_flight;
    PARSE("iL", &number, &max_in_flight);
    SENDER(number);
    sender->max_in_flight = max_in_flight;
    engine->flooding = 1;
    refill_client(engine, &engine->clients[sender->client]);
    return none_or_error(engine);
}

METHOD(pace)
{
    PyObject *senders;
    long long start_ns, length;
    PARSE("O!LdL", &PyList_Type, &senders, &start_ns, &engine->interval_ns, &length);
    for (int i = 0; i < engine->paced_count; i++)
        engine->senders[engine->paced[i]].slot = -1;
    engine->paced_count = engine->due = 0;
    engine->schedule_length = length;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(senders); i++) {
        int number = (int)PyLong_AsLong(PyList_GET_ITEM(senders, i));
        SENDER(number);
        sender->slot = engine->paced_count;
        sender->scheduled_from = sender->sent;
        engine->paced[engine->paced_count++] = number;
    }
    engine->start_ns = start_ns;
    Py_RETURN_NONE;
}

METHOD(send)
{
    int number;
    long long count;
    PARSE("iL", &number, &count);
    SENDER(number);
    sender->slot = -1; /* messages out of turn belong to no schedule */
    send_messages(engine, number, count);
    return none_or_error(engine);
}

METHOD(stop_sending)
{
    (void)arguments;
    engine->sending = false;
    Py_RETURN_NONE;
}

METHOD(run)
{
    long long until_ns;
    PARSE("L", &until_ns);
    Py_BEGIN_ALLOW_THREADS
    run_until(engine, until_ns);
    Py_END_ALLOW_THREADS
    if (engine->reason & NO_MEMORY)
        return PyErr_NoMemory();
    int reason = engine->reason;
    engine->reason = 0;
    return PyLong_FromLong(reason);
}

/* --- what Python has found out */

METHOD(append_decoded)
{
    int number;
    long long parsed;
    Py_buffer codes, ends;
    PARSE("iy*y*L", &number, &codes, &ends, &parsed);
    if (is_valid(number, engine->groups_count, "group")) {
        Group *group = &engine->groups[number];
        for (size_t i = 0; i < (size_t)codes.len / sizeof(int64_t); i++)
            append_messages(engine, group, ((int64_t *)codes.buf)[i], 1,
                            ((int64_t *)ends.buf)[i] - group->messages_end);
        group->parsed = parsed;
        group->noncanonical = false;
        for (int i = 0; i < engine->clients_count; i++) {
            const Client *client = &engine->clients[i];
            if (client->group == number && client->first_sender >= 0 && !client->diverged)
                scan_for_echoes(engine, i);
        }
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&ends);
    return PyErr_Occurred() ? NULL : none_or_error(engine);
}

METHOD(record_received)
{
    int number;
    long long received, at_ns;
    Py_buffer codes;
    PARSE("iLy*L", &number, &received, &codes, &at_ns);
    if (is_valid(number, engine->clients_count, "client")) {
        Client *client = &engine->clients[number];
        client->received = received;
        for (size_t i = 0; i < (size_t)codes.len / sizeof(int64_t); i++) {
            int64_t code = ((int64_t *)codes.buf)[i];
            if (engine->senders[code / CODE_STRIDE].client == number)
                record_echo(engine, (int)(code / CODE_STRIDE), code % CODE_STRIDE, at_ns);
        }
        refill_client(engine, client);
    }
    PyBuffer_Release(&codes);
    return PyErr_Occurred() ? NULL : none_or_error(engine);
}

METHOD(resynchronise)
{
    int number;
    long long position;
    Py_buffer tail;
    PARSE("iLy*", &number, &position, &tail);
    bool is_in_step = false;
    if (is_valid(number, engine->clients_count, "client")) {
        Client *client = &engine->clients[number];
        Group *group = &engine->groups[client->group];
        int64_t end = position >= group->first ? message_end(group, position) : -1;
        if (end >= group->base) {
            size_t known = (size_t)(stream_end(group) - end), length = (size_t)tail.len;
            size_t same = length < known ? length : known;
            is_in_step = equal(group->stream.data + (end - group->base), tail.buf, same);
            if (is_in_step) {
                client->diverged = false;
                client->offset = end + tail.len;
                client->scanned = position + 1;
                client->shift = client->received - client->scanned;
                if (length > known)
                    extend_stream(engine, client->group, (unsigned char *)tail.buf + known, length - known);
                if (client->first_sender >= 0)
                    scan_for_echoes(engine, number);
            }
        }
    }
    PyBuffer_Release(&tail);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(is_in_step);
}

METHOD(append_frames)
{
    int number;
    Py_buffer data;
    PARSE("iy*", &number, &data);
    if (is_valid(number, engine->groups_count, "group") && !engine->groups[number].noncanonical) {
        Group *group = &engine->groups[number];
        for (int i = 0; i < engine->clients_count; i++) { /* part of a message behind the whole ones is in the way */
            Client *client = &engine->clients[i];
            if (client->group == number && !client->diverged && !client->closed && client->offset > group->parsed)
                diverge(engine, client);
        }
        group->stream.length = (size_t)(group->parsed - group->base);
        extend_stream(engine, number, data.buf, (size_t)data.len);
    }
    PyBuffer_Release(&data);
    return PyErr_Occurred() ? NULL : none_or_error(engine);
}

METHOD(discard_before)
{
    int number;
    long long until;
    PARSE("iL", &number, &until);
    GROUP(number);
    for (int i = 0; i < engine->clients_count; i++) {
        Client *client = &engine->clients[i];
        if (client->group != number || client->diverged || client->closed)
            continue;
        int64_t whole = messages_within(group, client->offset);
        until = whole < until ? whole : until;
        until = client->first_sender >= 0 && client->scanned < until ? client->scanned : until;
    }
    if (until > group->first)
        discard_before(group, until);
    Py_RETURN_NONE;
}
