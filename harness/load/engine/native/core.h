/* What the parts of the native engine share: its data, and the functions of each part, from the lowest one up. */

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

/* Constants that the Python engine has too; the module exports them, and a test compares the two (see module.c). */
enum {
    SENDER_DIGITS = 4,
    NUMBER_DIGITS = 9,
    READ_BYTES = 64 * 1024,     /* per read; a larger buffer does not fit into the cache */
    TRIM_ABOVE_BYTES = 8 << 20, /* a longer stream is trimmed by the part that all clients have received */
    MAX_LAG_BYTES = 6 << 20,    /* a client further behind the longest stream counts as diverged */
};
#define CODE_STRIDE 1000000000LL /* a message's code is sender * CODE_STRIDE + number */
#define SECOND_NS 1000000000LL
#define MAX_RUN_NS (SECOND_NS / 10) /* Python must get its turn to handle signals */
#define QUIET_NS (SECOND_NS / 2)    /* after so long without a byte, messages in flight count as dropped */

/* Why `run` returns early; `Reason` in interface.py. NO_MEMORY never leaves this module: it becomes a MemoryError. */
enum { DIVERGED = 1, NONCANONICAL = 2, SUSPECT = 4, CLOSED = 8, NO_MEMORY = 16 };

enum { DIGITS = SENDER_DIGITS + NUMBER_DIGITS, MAX_EVENTS = 512 };

typedef struct { unsigned char *data; size_t length, capacity; } Bytes;
typedef struct { int64_t *data; size_t length, capacity; } Numbers;

typedef struct {
    int client;                       /* -1 for a client of another process */
    int next;                         /* the next sender of the same client, or -1 */
    int layout;                       /* of its arriving frames */
    Bytes sent_frame, arriving_frame; /* a frame of each kind; in the arriving one, the digits expected next */
    size_t sent_digits_at;            /* the offset of the digits in the sent frame */
    int64_t sent, echoed;             /* messages sent; the number up to which its client has received them back */
    int64_t max_in_flight;            /* of a flood; 0 for a sender that does not flood */
    int64_t slot;                     /* its place in the schedule, or -1 */
    int64_t scheduled_from;           /* messages sent before the schedule began */
} Sender;

/* The layout of arriving frames. Senders whose names have the same length share one. */
typedef struct { size_t length, digits_at; } Layout;

/* Messages of a stream with successive numbers of one sender, in frames of one length; most messages come so. */
typedef struct {
    int64_t first;  /* the place of its first message in the stream */
    int64_t count;  /* of its messages */
    int64_t code;   /* of its first message */
    int64_t begin;  /* the offset of its first message in the stream, in bytes */
    int64_t length; /* of each message, in bytes */
} Run;

typedef struct {
    Bytes stream;             /* from offset `base` on */
    int64_t base, parsed;
    struct { Run *data; size_t length, capacity; } runs; /* all whole messages from place `first` to place `count` */
    int64_t first, count;
    int64_t messages_end;     /* the offset at which the last whole message ends */
    int64_t *highest;         /* by sender: its highest number in the stream, or -1 */
    unsigned char *subscribed; /* by sender: whether the clients of this group may receive from it */
    bool noncanonical;        /* only the codec's decoder can read what stands at `parsed` */
} Group;

typedef struct {
    int fd;
    int group;        /* -1 for a client that is never in step */
    int first_sender; /* the first of its senders, or -1 */
    bool diverged, closed, waits_to_write;
    int64_t offset;   /* in step: the offset up to which it has received its group's stream */
    int64_t scanned;  /* the place up to which that was scanned for its own messages; diverged: where it diverged */
    int64_t shift;    /* in step: messages received in all, less its place in the group's stream */
    int64_t received; /* diverged: messages received in all */
    int64_t read_ns;  /* the time of the last read */
    Bytes pending, unsent;
    size_t unsent_from;
} Client;

typedef struct {
    PyObject_HEAD
    int epoll, reason, senders_count, layouts_count, groups_count, clients_count, clients_capacity;
    Sender *senders;
    Layout *layouts;
    Group *groups;
    Client *clients;
    int *paced;   /* the senders of the schedule, in the order of their turns */
    bool sending; /* until the end of the load */
    int64_t paced_count, flooding, start_ns;
    int64_t due, schedule_length; /* messages of the schedule: that have been due so far; in all */
    int64_t progress_ns;
    double interval_ns;
    Numbers sends, latencies, lags;
    unsigned char chunk[READ_BYTES];
} Engine;

/* memcmp must not be called with NULL, which is the data of an empty stream. */
static inline bool equal(const void *one, const void *other, size_t size) { return !size || !memcmp(one, other, size); }

/* arrays.c */
int64_t now_ns(void);
void *grow_array(Engine *, void *array, size_t *capacity, size_t least, size_t size);
bool reserve(Engine *, Bytes *, size_t more);
void append_bytes(Engine *, Bytes *, const void *data, size_t length);
void append_number(Engine *, Numbers *, int64_t number);

/* stream.c */
Py_ssize_t parse_frame(const Engine *, const unsigned char *data, size_t size, int64_t *code);
void append_messages(Engine *, Group *, int64_t code, int64_t count, int64_t length);
void parse_stream(Engine *, Group *);
int64_t messages_within(const Group *, int64_t offset);
const Run *find_run(const Group *, int64_t message, int64_t offset);
int64_t whole_messages(const Run *, int64_t offset);
int64_t message_end(const Group *, int64_t message);
int64_t stream_end(const Group *);
void copy_codes(const Group *, int64_t start, int64_t stop, int64_t *into);
void discard_before(Group *, int64_t until);
void increment_digits(unsigned char *digits);

/* sending.c */
int64_t received_count(const Engine *, const Client *);
void watch(Engine *, int client, int operation);
void close_client(Engine *, Client *);
void flush_unsent(Engine *, int client);
void send_messages(Engine *, int sender, int64_t count);
int64_t intended_ns(const Engine *, int64_t message);
void send_due(Engine *, int64_t now);
void record_echo(Engine *, int sender, int64_t number, int64_t at_ns);
void refill_client(Engine *, const Client *);
void expire_in_flight(Engine *);

/* core.c */
void scan_for_echoes(Engine *, int client);
void diverge(Engine *, Client *);
void extend_stream(Engine *, int group, const unsigned char *data, size_t length);
void run_until(Engine *, int64_t until_ns);

#endif
