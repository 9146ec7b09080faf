/* The door between the native core and Python: nothing here but taking arguments and giving results.
 * `harness/swarm/core.py` tells what each method means; arrays of numbers go through it as bytes (int64). */

#include "core.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define METHOD(name) static PyObject *core_##name(Core *core, PyObject *arguments)
#define TAKE(...)                                      \
    if (!PyArg_ParseTuple(arguments, __VA_ARGS__))     \
    return NULL

static PyObject *done(Core *core)
{
    if (core->reason & NO_MEMORY)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

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

static bool is_in(int number, int count, const char *what)
{
    if (number >= 0 && number < count)
        return true;
    PyErr_Format(PyExc_IndexError, "there is no %s %d", what, number);
    return false;
}

#define CLIENT(number)                                              \
    if (!is_in(number, core->clients_count, "client"))              \
        return NULL;                                                \
    Client *client = &core->clients[number]
#define GROUP(number)                                               \
    if (!is_in(number, core->groups_count, "group"))                \
        return NULL;                                                \
    Group *group = &core->groups[number]
#define VOICE(number)                                               \
    if (!is_in(number, core->voices_count, "voice"))                \
        return NULL;                                                \
    Voice *voice = &core->voices[number]

/* --- making and unmaking */

static int take_voice(Core *core, int number, PyObject *told)
{
    Voice *voice = &core->voices[number];
    Py_buffer sent, arrives;
    Py_ssize_t sent_at, arrives_at;
    if (!PyArg_ParseTuple(told, "iy*ny*n", &voice->client, &sent, &sent_at, &arrives, &arrives_at))
        return -1;
    voice->sent_at = (size_t)sent_at;
    voice->next = -1;
    voice->place = -1;
    put(core, &voice->sent, sent.buf, (size_t)sent.len);
    put(core, &voice->arrives, arrives.buf, (size_t)arrives.len);
    Shape shape = {(size_t)arrives.len, (size_t)arrives_at};
    PyBuffer_Release(&sent);
    PyBuffer_Release(&arrives);
    while (voice->shape < core->shapes_count
           && (core->shapes[voice->shape].length != shape.length || core->shapes[voice->shape].at != shape.at))
        voice->shape++;
    core->shapes[voice->shape] = shape;
    if (voice->shape == core->shapes_count)
        core->shapes_count++;
    return 0;
}

static int take_group(Core *core, int number, PyObject *owed)
{
    Group *group = &core->groups[number];
    size_t count = (size_t)core->voices_count;
    if (!PyBytes_Check(owed) || (size_t)PyBytes_GET_SIZE(owed) != count) {
        PyErr_SetString(PyExc_ValueError, "a group says of each voice whether it may hear it");
        return -1;
    }
    group->latest = PyMem_RawMalloc((count + 1) * sizeof *group->latest);
    group->owed = PyMem_RawMalloc(count + 1);
    if (!group->latest || !group->owed) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t voice = 0; voice < count; voice++)
        group->latest[voice] = -1;
    memcpy(group->owed, PyBytes_AS_STRING(owed), count);
    return 0;
}

static int core_init(Core *core, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    PyObject *voices, *groups;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyList_Type, &voices, &PyList_Type, &groups))
        return -1;
    size_t voices_count = (size_t)PyList_GET_SIZE(voices), groups_count = (size_t)PyList_GET_SIZE(groups);
    core->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (core->epoll < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    prctl(PR_SET_TIMERSLACK, 1); /* what is due is said in time: by default a thread wakes 50 µs late */
    core->voices = PyMem_RawCalloc(voices_count + 1, sizeof *core->voices);
    core->shapes = PyMem_RawCalloc(voices_count + 1, sizeof *core->shapes);
    core->paced = PyMem_RawCalloc(voices_count + 1, sizeof *core->paced);
    core->groups = PyMem_RawCalloc(groups_count + 1, sizeof *core->groups);
    if (!core->voices || !core->shapes || !core->paced || !core->groups) {
        PyErr_NoMemory();
        return -1;
    }
    for (; core->voices_count < (int)voices_count; core->voices_count++)
        if (take_voice(core, core->voices_count, PyList_GET_ITEM(voices, core->voices_count)))
            return -1;
    for (; core->groups_count < (int)groups_count; core->groups_count++)
        if (take_group(core, core->groups_count, PyList_GET_ITEM(groups, core->groups_count)))
            return -1;
    core->progress_ns = now_ns();
    core->speaking = true;
    return 0;
}

static void core_dealloc(Core *core)
{
    if (core->epoll > 0)
        close(core->epoll);
    for (int i = 0; i < core->voices_count; i++) {
        PyMem_RawFree(core->voices[i].sent.at);
        PyMem_RawFree(core->voices[i].arrives.at);
    }
    for (int i = 0; core->groups && i <= core->groups_count; i++) { /* also one that was begun */
        Group *group = &core->groups[i];
        void *all[] = {group->stream.at, group->runs.at, group->latest, group->owed};
        for (size_t part = 0; part < sizeof all / sizeof *all; part++)
            PyMem_RawFree(all[part]);
    }
    for (int i = 0; i < core->clients_count; i++) {
        PyMem_RawFree(core->clients[i].pending.at);
        PyMem_RawFree(core->clients[i].unsent.at);
    }
    void *all[] = {core->voices,   core->shapes,       core->paced,  core->groups, core->clients,
                   core->sends.at, core->latencies.at, core->lags.at};
    for (size_t part = 0; part < sizeof all / sizeof *all; part++)
        PyMem_RawFree(all[part]);
    Py_TYPE(core)->tp_free((PyObject *)core);
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

METHOD(say)
{
    int number;
    long long count;
    TAKE("iL", &number, &count);
    VOICE(number);
    voice->place = -1; /* what it says out of turn is of no schedule */
    say(core, number, count);
    return done(core);
}

METHOD(hush)
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

/* --- what Python must look at */

METHOD(parted)
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

METHOD(foreign)
{
    int number;
    TAKE("i", &number);
    GROUP(number);
    size_t at = group->foreign ? (size_t)(group->parsed - group->base) : group->stream.length;
    return Py_BuildValue("Ly#", (long long)group->parsed, group->stream.at + at,
                         (Py_ssize_t)(group->stream.length - at));
}

METHOD(told)
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

METHOD(echoes)
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

METHOD(rejoin)
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

METHOD(append)
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

METHOD(parse)
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

METHOD(count)
{
    int number;
    TAKE("i", &number);
    GROUP(number);
    return Py_BuildValue("LL", (long long)group->first, (long long)group->count);
}

METHOD(codes)
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

METHOD(forget)
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

METHOD(heard)
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

METHOD(voice)
{
    int number;
    TAKE("i", &number);
    VOICE(number);
    return Py_BuildValue("LL", (long long)voice->said, (long long)voice->echoed);
}

METHOD(unsent)
{
    (void)arguments;
    for (int i = 0; i < core->clients_count; i++)
        if (core->clients[i].unsent.length)
            Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

METHOD(progress_ns) { (void)arguments; return PyLong_FromLongLong(core->progress_ns); }
METHOD(sends) { (void)arguments; return handed_over(&core->sends); }
METHOD(latencies) { (void)arguments; return handed_over(&core->latencies); }
METHOD(lags) { (void)arguments; return handed_over(&core->lags); }

#define ENTRY(name) {#name, (PyCFunction)core_##name, METH_VARARGS, NULL}
static PyMethodDef methods[] = {
    ENTRY(add),    ENTRY(drop),   ENTRY(flood),  ENTRY(pace),   ENTRY(say),   ENTRY(hush),  ENTRY(run),
    ENTRY(parted), ENTRY(closed), ENTRY(foreign), ENTRY(told),  ENTRY(echoes), ENTRY(rejoin), ENTRY(append),
    ENTRY(parse),  ENTRY(count),  ENTRY(codes),  ENTRY(forget), ENTRY(heard), ENTRY(position), ENTRY(voice), ENTRY(unsent),
    ENTRY(progress_ns), ENTRY(sends), ENTRY(latencies), ENTRY(lags), {NULL, NULL, 0, NULL},
};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "harness.swarm._core.Core",
    .tp_basicsize = sizeof(Core),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)core_init,
    .tp_dealloc = (destructor)core_dealloc,
    .tp_methods = methods,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_core", .m_size = -1};

PyMODINIT_FUNC PyInit__core(void)
{
    if (PyType_Ready(&type) < 0)
        return NULL;
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddObjectRef(made, "Core", (PyObject *)&type) < 0)
        Py_CLEAR(made);
    return made;
}
