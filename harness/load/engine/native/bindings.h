/* The interface between the native engine and Python: these functions only parse arguments and build results.
 * `harness/load/engine/interface.py` says what each method means; arrays of numbers pass as bytes (int64). */

#ifndef ZILLIONS_BINDINGS_H
#define ZILLIONS_BINDINGS_H
#include "core.h"

#define METHOD(name) PyObject *engine_##name(Engine *engine, PyObject *arguments)
#define PARSE(...)                                     \
    if (!PyArg_ParseTuple(arguments, __VA_ARGS__))     \
    return NULL
#define CLIENT(number)                                              \
    if (!is_valid(number, engine->clients_count, "client"))         \
        return NULL;                                                \
    Client *client = &engine->clients[number]
#define GROUP(number)                                               \
    if (!is_valid(number, engine->groups_count, "group"))           \
        return NULL;                                                \
    Group *group = &engine->groups[number]
#define SENDER(number)                                              \
    if (!is_valid(number, engine->senders_count, "sender"))         \
        return NULL;                                                \
    Sender *sender = &engine->senders[number]

static inline bool is_valid(int number, int count, const char *kind)
{
    if (number >= 0 && number < count)
        return true;
    PyErr_Format(PyExc_IndexError, "there is no %s %d", kind, number);
    return false;
}

/* commands.c: methods that change the engine. queries.c: methods that report its state. */
#define COMMANDS(each) \
    each(add) each(drop) each(flood) each(pace) each(send) each(stop_sending) each(run) each(append_decoded) \
    each(record_received) each(resynchronise) each(append_frames) each(discard_before)
#define QUERIES(each) \
    each(take_diverged) each(closed) each(noncanonical) each(parse_canonical) each(stream_range) each(stream_codes) \
    each(received_count) each(position) each(sender_counts) each(has_unsent) each(last_progress_ns) each(take_sends) \
    each(take_latencies) each(take_lags)
#define DECLARE(name) METHOD(name);
COMMANDS(DECLARE)
QUERIES(DECLARE)

#endif
