/* The door between the native core and Python: nothing behind it but taking arguments and giving results.
 * `harness/load/engine/interface.py` tells what each method means; arrays of numbers go through it as bytes (int64). */

#ifndef ZILLIONS_DOOR_H
#define ZILLIONS_DOOR_H
#include "core.h"

#define METHOD(name) PyObject *core_##name(Core *core, PyObject *arguments)
#define TAKE(...)                                      \
    if (!PyArg_ParseTuple(arguments, __VA_ARGS__))     \
    return NULL
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

static inline bool is_in(int number, int count, const char *what)
{
    if (number >= 0 && number < count)
        return true;
    PyErr_Format(PyExc_IndexError, "there is no %s %d", what, number);
    return false;
}

/* deeds.c: what Python has done. answers.c: what it is told. */
#define DEEDS(each) \
    each(add) each(drop) each(flood) each(pace) each(say) each(hush) each(run) each(told) each(echoes) \
    each(rejoin) each(append) each(forget)
#define ANSWERS(each) \
    each(parted) each(closed) each(foreign) each(parse) each(count) each(codes) each(heard) each(position) \
    each(voice) each(unsent) each(progress_ns) each(sends) each(latencies) each(lags)
#define DECLARED(name) METHOD(name);
DEEDS(DECLARED)
ANSWERS(DECLARED)

#endif
