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
    each(add) each(drop) each(flood) each(pace) each(send) each(stop_sending) each(run) each(append_decoded) each(record_received) \
    each(resynchronise) each(append_frames) each(discard_before)
#define ANSWERS(each) \
    each(take_diverged) each(closed) each(noncanonical) each(parse_canonical) each(stream_range) each(stream_codes) each(received_count) each(position) \
    each(sender_counts) each(has_unsent) each(last_progress_ns) each(take_sends) each(take_latencies) each(take_lags)
#define DECLARED(name) METHOD(name);
DEEDS(DECLARED)
ANSWERS(DECLARED)

#endif
