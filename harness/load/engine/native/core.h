/* What the parts of the native core share: its data, and what each part does, from the lowest one up. */

#ifndef ZILLIONS_CORE_H
#define ZILLIONS_CORE_H
#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    VOICE_DIGITS = 4,
    NUMBER_DIGITS = 9,
    DIGITS = VOICE_DIGITS + NUMBER_DIGITS,
    CHUNK = 64 * 1024, /* bytes a read; larger ones leave the cache */
    EVENTS = 512,
    KEPT = 8 << 20, /* bytes of a stream kept before the part that all have received is let go */
    LAG = 6 << 20,  /* bytes behind the longest stream at which a client is followed by itself */
};
#define CODE 1000000000LL /* a message's code is voice * CODE + number */
#define SECOND 1000000000LL
#define LONGEST_CALL (SECOND / 10) /* so that Python can handle signals */
#define QUIET (SECOND / 2)         /* without a byte: what has not come by then was dropped */

enum { PARTED = 1, FOREIGN = 2, SUSPECT = 4, CLOSED = 8, NO_MEMORY = 16 }; /* why a call ends; `core.Reason` */

typedef struct { unsigned char *at; size_t length, room; } Bytes;
typedef struct { int64_t *at; size_t length, room; } Numbers;

typedef struct {
    int client, next;  /* who speaks, or -1: somebody of another process; the next voice of the same client, or -1 */
    int shape;
    Bytes sent, arrives; /* a frame of each kind; the digits of `arrives` are those that are expected next */
    size_t sent_at;      /* where the digits begin */
    int64_t said, echoed;
    int64_t window; /* of a flood: messages on their way at a time; 0: it does not flood */
    int64_t place;  /* in the schedule, or -1 */
} Voice;

typedef struct { size_t length, at; } Shape; /* of arriving frames; voices whose names are of one length share it */

/* Messages of a stream that one voice has numbered one after the other, in frames of one length; most come so. */
typedef struct { int64_t first, count, code, begin, length; } Run; /* number in the stream, code, offset of the first */

typedef struct {
    Bytes stream;     /* from offset `base` on */
    int64_t base, parsed;
    struct { Run *at; size_t length, room; } runs; /* all whole messages from `first` on, up to `count` */
    int64_t first, count, ends; /* ends: the offset where the last whole message does */
    int64_t *latest;      /* by voice: the highest number in the stream, -1 for none */
    unsigned char *owed;  /* by voice: whether this group may hear it */
    bool foreign;         /* at `parsed` stands what only the codec's decoder can read */
} Group;

typedef struct {
    int fd, group, voice; /* group -1: by itself for good; voice: the first one that is its, or -1 */
    bool parted, closed, waits_to_write;
    int64_t taken;  /* in step: the offset up to which it has the group's stream, */
    int64_t looked; /* the message up to which that was searched for its own, */
    int64_t shift;  /* and what `looked` lacks to the messages that it has heard in all */
    int64_t heard;  /* parted: messages heard in all */
    int64_t at_ns;  /* of the last read */
    Bytes pending, unsent;
    size_t unsent_from;
} Client;

typedef struct {
    PyObject_HEAD
    int epoll, reason, voices_count, shapes_count, groups_count, clients_count, clients_room;
    Voice *voices;
    Shape *shapes;
    Group *groups;
    Client *clients;
    int *paced;
    bool speaking; /* while a load lasts */
    int64_t paced_count, flooding, start_ns, said, progress_ns;
    double interval_ns;
    Numbers sends, latencies, lags;
    unsigned char chunk[CHUNK];
} Core;

/* memcmp must not be asked about nothing at NULL, which is what an empty stream is. */
static inline bool equal(const void *one, const void *other, size_t size) { return !size || !memcmp(one, other, size); }

/* arrays.c */
int64_t now_ns(void);
void *with_room(Core *, void *array, size_t *room, size_t least, size_t size);
bool room_for(Core *, Bytes *, size_t more);
void put(Core *, Bytes *, const void *data, size_t length);
void note(Core *, Numbers *, int64_t number);

/* stream.c */
Py_ssize_t frame(const Core *, const unsigned char *data, size_t size, int64_t *code);
void enter(Core *, Group *, int64_t code, int64_t count, int64_t length);
void parse(Core *, Group *);
int64_t messages(const Group *, int64_t taken);
const Run *run_of(const Group *, int64_t message, int64_t offset);
int64_t whole_in(const Run *, int64_t taken);
int64_t end_of_message(const Group *, int64_t message);
int64_t end_of(const Group *);
void codes_of(const Group *, int64_t start, int64_t stop, int64_t *into);
void forget(Group *, int64_t until);
void count_on(unsigned char *digits);

/* speech.c */
int64_t heard(const Core *, const Client *);
void watch(Core *, int client, int operation);
void close_client(Core *, Client *);
void push(Core *, int client);
void say(Core *, int voice, int64_t count);
int64_t intended_ns(const Core *, int64_t message);
void say_what_is_due(Core *, int64_t now);
void echo(Core *, int voice, int64_t number, int64_t at_ns);
void refill_all_of(Core *, const Client *);
void forgive(Core *);

/* core.c */
void look(Core *, int client);
void part(Core *, Client *);
void grow(Core *, int group, const unsigned char *data, size_t length);
void run(Core *, int64_t until_ns);

#endif
