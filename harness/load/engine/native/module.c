/* The module: creates and destroys native engines, and holds the table of their methods. */

#include "bindings.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

static int init_sender(Engine *engine, int number, PyObject *template)
{
    Sender *sender = &engine->senders[number];
    Py_buffer sent, arriving;
    Py_ssize_t sent_offset, arriving_offset;
    if (!PyArg_ParseTuple(template, "iy*ny*n", &sender->client, &sent, &sent_offset, &arriving, &arriving_offset))
        return -1;
    sender->sent_digits_at = (size_t)sent_offset;
    sender->next = -1;
    sender->slot = -1;
    append_bytes(engine, &sender->sent_frame, sent.buf, (size_t)sent.len);
    append_bytes(engine, &sender->arriving_frame, arriving.buf, (size_t)arriving.len);
    Layout layout = {(size_t)arriving.len, (size_t)arriving_offset};
    PyBuffer_Release(&sent);
    PyBuffer_Release(&arriving);
    while (sender->layout < engine->layouts_count
           && (engine->layouts[sender->layout].length != layout.length
               || engine->layouts[sender->layout].digits_at != layout.digits_at))
        sender->layout++;
    engine->layouts[sender->layout] = layout;
    if (sender->layout == engine->layouts_count)
        engine->layouts_count++;
    return 0;
}

static int init_group(Engine *engine, int number, PyObject *subscribed)
{
    Group *group = &engine->groups[number];
    size_t count = (size_t)engine->senders_count;
    if (!PyBytes_Check(subscribed) || (size_t)PyBytes_GET_SIZE(subscribed) != count) {
        PyErr_SetString(PyExc_ValueError, "a group has one byte for each sender: whether it may receive from it");
        return -1;
    }
    group->highest = PyMem_RawMalloc((count + 1) * sizeof *group->highest);
    group->subscribed = PyMem_RawMalloc(count + 1);
    if (!group->highest || !group->subscribed) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t sender = 0; sender < count; sender++)
        group->highest[sender] = -1;
    memcpy(group->subscribed, PyBytes_AS_STRING(subscribed), count);
    return 0;
}

static int engine_init(Engine *engine, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    PyObject *templates, *groups;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyList_Type, &templates, &PyList_Type, &groups))
        return -1;
    size_t senders_count = (size_t)PyList_GET_SIZE(templates), groups_count = (size_t)PyList_GET_SIZE(groups);
    engine->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    prctl(PR_SET_TIMERSLACK, 1); /* for messages that are due: by default a thread wakes up 50 µs late */
    engine->senders = PyMem_RawCalloc(senders_count + 1, sizeof *engine->senders);
    engine->layouts = PyMem_RawCalloc(senders_count + 1, sizeof *engine->layouts);
    engine->paced = PyMem_RawCalloc(senders_count + 1, sizeof *engine->paced);
    engine->groups = PyMem_RawCalloc(groups_count + 1, sizeof *engine->groups);
    if (!engine->senders || !engine->layouts || !engine->paced || !engine->groups) {
        PyErr_NoMemory();
        return -1;
    }
    for (; engine->senders_count < (int)senders_count; engine->senders_count++)
        if (init_sender(engine, engine->senders_count, PyList_GET_ITEM(templates, engine->senders_count)))
            return -1;
    for (; engine->groups_count < (int)groups_count; engine->groups_count++)
        if (init_group(engine, engine->groups_count, PyList_GET_ITEM(groups, engine->groups_count)))
            return -1;
    engine->progress_ns = now_ns();
    engine->sending = true;
    return 0;
}

static void engine_dealloc(Engine *engine)
{
    if (engine->epoll > 0)
        close(engine->epoll);
    for (int i = 0; i < engine->senders_count; i++) {
        PyMem_RawFree(engine->senders[i].sent_frame.data);
        PyMem_RawFree(engine->senders[i].arriving_frame.data);
    }
    for (int i = 0; engine->groups && i <= engine->groups_count; i++) { /* a group whose creation failed, too */
        Group *group = &engine->groups[i];
        void *all[] = {group->stream.data, group->runs.data, group->highest, group->subscribed};
        for (size_t part = 0; part < sizeof all / sizeof *all; part++)
            PyMem_RawFree(all[part]);
    }
    for (int i = 0; i < engine->clients_count; i++) {
        PyMem_RawFree(engine->clients[i].pending.data);
        PyMem_RawFree(engine->clients[i].unsent.data);
    }
    void *all[] = {engine->senders,    engine->layouts,        engine->paced,    engine->groups, engine->clients,
                   engine->sends.data, engine->latencies.data, engine->lags.data};
    for (size_t part = 0; part < sizeof all / sizeof *all; part++)
        PyMem_RawFree(all[part]);
    Py_TYPE(engine)->tp_free((PyObject *)engine);
}

#define ENTRY(name) {#name, (PyCFunction)engine_##name, METH_VARARGS, NULL},
static PyMethodDef methods[] = {COMMANDS(ENTRY) QUERIES(ENTRY){NULL, NULL, 0, NULL}};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "harness.load.engine._native.Engine",
    .tp_basicsize = sizeof(Engine),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)engine_init,
    .tp_dealloc = (destructor)engine_dealloc,
    .tp_methods = methods,
};

/* The constants that the Python engine has too, and the reasons that `run` returns: a test compares them. */
#define CONSTANT(name) {#name, name},
static const struct { const char *name; long value; } constants[] = {
    CONSTANT(SENDER_DIGITS) CONSTANT(NUMBER_DIGITS) CONSTANT(CODE_STRIDE) CONSTANT(READ_BYTES)
    CONSTANT(TRIM_ABOVE_BYTES) CONSTANT(MAX_LAG_BYTES) CONSTANT(MAX_RUN_NS) CONSTANT(QUIET_NS)
    CONSTANT(DIVERGED) CONSTANT(NONCANONICAL) CONSTANT(SUSPECT) CONSTANT(CLOSED)
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_native", .m_size = -1};

PyMODINIT_FUNC PyInit__native(void)
{
    if (PyType_Ready(&type) < 0)
        return NULL;
    PyObject *native = PyModule_Create(&module);
    if (native && PyModule_AddObjectRef(native, "Engine", (PyObject *)&type) < 0)
        Py_CLEAR(native);
    for (size_t i = 0; native && i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(native, constants[i].name, constants[i].value) < 0)
            Py_CLEAR(native);
    return native;
}
