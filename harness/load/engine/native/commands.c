/* What Python has the native core do: clients, what they say, a turn of the loop, and what only the codec can read. */

#include "bindings.h"

#include <sys/epoll.h>

static PyObject *done(Core *core)
{
    if (core->reason & NO_MEMORY)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

METHOD(add)
{
    int fd, group, is_in_step;
    TAKE("iip", &fd, &group, &is_in_step);
    if (group != -1 && !is_in(group, core->groups_count, "group"))
        return NULL;
    if (core->clients_count == core->clients_room) {
        int room = core->clients_room ? core->clients_room * 2 : 64;
        Client *at = PyMem_RawRealloc(core->clients, (size_t)room * sizeof *at);
        if (!at)
            return PyErr_NoMemory();
        core->clients = at;
        core->clients_room = room;
    }
    int number = core->clients_count++;
    Client *client = &core->clients[number];
    *client = (Client){.fd = fd, .group = group, .voice = -1, .parted = !is_in_step};
    for (int i = core->voices_count - 1; i >= 0; i--)
        if (core->voices[i].client == number) {
            core->voices[i].next = client->voice;
            client->voice = i;
        }
    watch(core, number, EPOLL_CTL_ADD);
    return PyLong_FromLong(number);
}

METHOD(drop)
{
    int number;
    TAKE("i", &number);
    CLIENT(number);
    if (!client->closed)
        epoll_ctl(core->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    client->closed = true;
    Py_RETURN_NONE;
}

/* --- speaking */

METHOD(flood)
{
    int number;
    long long window;
    TAKE("iL", &number, &window);
    VOICE(number);
    voice->window = window;
    core->flooding = 1;
    refill_all_of(core, &core->clients[voice->client]);
    return done(core);
}

METHOD(pace)
{
    PyObject *voices;
    long long start_ns;
    TAKE("O!Ld", &PyList_Type, &voices, &start_ns, &core->interval_ns);
    core->paced_count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(voices); i++) {
        int number = (int)PyLong_AsLong(PyList_GET_ITEM(voices, i));
        VOICE(number);
        voice->place = core->paced_count;
        core->paced[core->paced_count++] = number;
    }
    core->start_ns = start_ns;
    Py_RETURN_NONE;
}

METHOD(send)
{
    int number;
    long long count;
    TAKE("iL", &number, &count);
    VOICE(number);
    voice->place = -1; /* what it says out of turn is of no schedule */
    say(core, number, count);
    return done(core);
}

METHOD(stop_sending)
{
    (void)arguments;
    core->speaking = false;
    Py_RETURN_NONE;
}

METHOD(run)
{
    long long until_ns;
    TAKE("L", &until_ns);
    Py_BEGIN_ALLOW_THREADS
    run(core, until_ns);
    Py_END_ALLOW_THREADS
    if (core->reason & NO_MEMORY)
        return PyErr_NoMemory();
    int reason = core->reason;
    core->reason = 0;
    return PyLong_FromLong(reason);
}

/* --- what was looked into */

METHOD(append_decoded)
{
    int number;
    long long parsed;
    Py_buffer codes, ends;
    TAKE("iy*y*L", &number, &codes, &ends, &parsed);
    if (is_in(number, core->groups_count, "group")) {
        Group *group = &core->groups[number];
        for (size_t i = 0; i < (size_t)codes.len / sizeof(int64_t); i++)
            enter(core, group, ((int64_t *)codes.buf)[i], 1, ((int64_t *)ends.buf)[i] - group->ends);
        group->parsed = parsed;
        group->foreign = false;
        for (int i = 0; i < core->clients_count; i++)
            if (core->clients[i].group == number && core->clients[i].voice >= 0 && !core->clients[i].parted)
                look(core, i);
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&ends);
    return PyErr_Occurred() ? NULL : done(core);
}

METHOD(record_received)
{
    int number;
    long long heard_now, at_ns;
    Py_buffer codes;
    TAKE("iLy*L", &number, &heard_now, &codes, &at_ns);
    if (is_in(number, core->clients_count, "client")) {
        Client *client = &core->clients[number];
        client->heard = heard_now;
        for (size_t i = 0; i < (size_t)codes.len / sizeof(int64_t); i++) {
            int64_t code = ((int64_t *)codes.buf)[i];
            if (core->voices[code / CODE].client == number)
                echo(core, (int)(code / CODE), code % CODE, at_ns);
        }
        refill_all_of(core, client);
    }
    PyBuffer_Release(&codes);
    return PyErr_Occurred() ? NULL : done(core);
}

METHOD(resynchronise)
{
    int number;
    long long position;
    Py_buffer tail;
    TAKE("iLy*", &number, &position, &tail);
    bool back = false;
    if (is_in(number, core->clients_count, "client")) {
        Client *client = &core->clients[number];
        Group *group = &core->groups[client->group];
        int64_t end = position >= group->first ? end_of_message(group, position) : -1;
        if (end >= group->base) {
            size_t known = (size_t)(end_of(group) - end), length = (size_t)tail.len;
            size_t same = length < known ? length : known;
            back = equal(group->stream.at + (end - group->base), tail.buf, same);
            if (back) {
                client->parted = false;
                client->taken = end + tail.len;
                client->looked = position + 1;
                client->shift = client->heard - client->looked;
                if (length > known)
                    grow(core, client->group, (unsigned char *)tail.buf + known, length - known);
                if (client->voice >= 0)
                    look(core, number);
            }
        }
    }
    PyBuffer_Release(&tail);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(back);
}

METHOD(append_frames)
{
    int number;
    Py_buffer data;
    TAKE("iy*", &number, &data);
    if (is_in(number, core->groups_count, "group") && !core->groups[number].foreign) {
        Group *group = &core->groups[number];
        for (int i = 0; i < core->clients_count; i++) /* whoever has part of a message behind the whole ones */
            if (core->clients[i].group == number && !core->clients[i].parted && !core->clients[i].closed
                && core->clients[i].taken > group->parsed)
                part(core, &core->clients[i]);
        group->stream.length = (size_t)(group->parsed - group->base);
        grow(core, number, data.buf, (size_t)data.len);
    }
    PyBuffer_Release(&data);
    return PyErr_Occurred() ? NULL : done(core);
}

METHOD(discard_before)
{
    int number;
    long long until;
    TAKE("iL", &number, &until);
    GROUP(number);
    for (int i = 0; i < core->clients_count; i++) {
        Client *client = &core->clients[i];
        if (client->group != number || client->parted || client->closed)
            continue;
        int64_t whole = messages(group, client->taken);
        until = whole < until ? whole : until;
        until = client->voice >= 0 && client->looked < until ? client->looked : until;
    }
    if (until > group->first)
        forget(group, until);
    Py_RETURN_NONE;
}
