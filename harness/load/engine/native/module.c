/* The module: how a native core is made and unmade, and the table of its methods. */

#include "bindings.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

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

#define ENTRY(name) {#name, (PyCFunction)core_##name, METH_VARARGS, NULL},
static PyMethodDef methods[] = {DEEDS(ENTRY) ANSWERS(ENTRY){NULL, NULL, 0, NULL}};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "harness.load.engine._native.Engine",
    .tp_basicsize = sizeof(Core),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)core_init,
    .tp_dealloc = (destructor)core_dealloc,
    .tp_methods = methods,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_native", .m_size = -1};

PyMODINIT_FUNC PyInit__native(void)
{
    if (PyType_Ready(&type) < 0)
        return NULL;
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddObjectRef(made, "Engine", (PyObject *)&type) < 0)
        Py_CLEAR(made);
    return made;
}
