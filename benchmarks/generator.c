/* A load generator for servers of the spec `broadcast`: the reference for the swarm, which does the same from Python.
 *
 *     cc -O2 -std=c11 -Wall -Wextra -o generator generator.c
 *     generator 127.0.0.1:9000 clients=100 body_bytes=32
 *
 * Further options: core=N binds it to that core; spin=1 never sleeps during a slice; discard=1 verifies nothing. Each
 * line of standard input is a slice: its senders, its messages in flight or a second, the seconds before it is measured,
 * and the seconds in which it is:
 *
 *     flood 4 1024 0.003 0.03
 *     paced 4 500 0.003 0.1
 *
 * Prints a line "ready" when all clients have joined, then the figures of each slice as one JSON object on a line.
 * Exit status 0: every delivery was verified. 1: the server is at fault, or lost a message. 2: wrong usage.
 *
 * All clients receive the same bytes. So what a client receives is compared with what another client has received
 * before (memcmp), and only bytes that are new to all are parsed: each message must be the next one of its sender, byte
 * for byte. That is enough to verify a server that drops nothing; this generator does not accept one that drops.
 *
 * flood: each sender has its share of the limit in flight, and sends again when half of it has come back.
 * paced: message n is due n / rate seconds after the start, and its latency counts from then.
 * A single sender is in the middle of the room, several are spread over it. A slice ends when all has come back. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,          /* per read: a larger buffer does not fit into the cache */
    STREAM_BYTES = 16 * 1024 * 1024, /* of the common stream: by tcp_rmem and tcp_wmem no client is further behind */
    MAX_UNSENT = 64 * 1024,          /* messages that a sender keeps for a server that does not take them, and more
                                        than a slice has in flight or on its schedule */
    MAX_EVENTS = 1024,
    SENDER_DIGITS = 4,
    NUMBER_DIGITS = 9,
    MIN_BODY_BYTES = SENDER_DIGITS + NUMBER_DIGITS,
    MAX_BODY_BYTES = 255,
    MARKER_BYTES = 1 + 10,           /* of a marker, which shows that a client has joined */
    MAX_SENDERS = 4,                 /* of a slice, spread over the room; one more is in its middle */
    MIDDLE = MAX_SENDERS,
    ALL_SENDERS = MAX_SENDERS + 1,
};

static const int64_t SECOND_NS = 1000000000, LEAD_NS = 2000000, DRAIN_NS = 10000000000, MARKER_NS = 500000000;

struct client {
    int fd;
    struct sender *sender; /* NULL for a client that only receives */
    uint64_t offset;       /* up to which it has received the common stream */
};

struct sender {
    struct client *client;
    int64_t sent, received, echoed; /* messages that it sent; of them in the common stream; received by itself */
    int64_t sent_before;            /* messages that it had sent before this slice; all have come back to all */
    uint64_t offset_before;         /* of its client then */
    unsigned char next[1 + MAX_BODY_BYTES];     /* the message that it sends next */
    unsigned char expected[1 + MAX_BODY_BYTES]; /* its next message in the common stream */
    uint64_t *ends;                 /* where its messages that are not yet echoed end in the common stream */
    unsigned char *unsent;          /* frames, of which [from, to) is left */
    size_t from, to;
};

enum { CLIENTS, BODY_BYTES, CORE, SPIN, DISCARD, OPTIONS };

static struct option {
    const char *name;
    double value, lowest, highest;
} options[OPTIONS] = {
    [CLIENTS] = {"clients", 100, 2 * MAX_SENDERS, 50000},
    [BODY_BYTES] = {"body_bytes", 32, MIN_BODY_BYTES, MAX_BODY_BYTES},
    [CORE] = {"core", -1, 0, CPU_SETSIZE - 1},
    [SPIN] = {"spin", 0, 0, 1},
    [DISCARD] = {"discard", 0, 0, 1},
};

static bool is_paced, is_discarding, is_spinning;
static int client_count, poll_fd;
static struct client *clients;
static struct sender senders[ALL_SENDERS];
static size_t frame_bytes;
static unsigned char *stream;              /* the last STREAM_BYTES of the common stream, mapped twice in a row */
static uint64_t length, parsed;            /* bytes of the common stream; of its whole messages */
static uint64_t received_bytes;            /* by all clients together */
static int64_t progress_ns;                /* when a client received bytes last */

/* This slice. */
static struct sender *first_sender, *end_of_senders;
static int64_t sender_count;
static int64_t max_in_flight;              /* of each sender */
static double rate_per_s;
static int64_t start_ns;                   /* of the schedule */
static int64_t scheduled, schedule_length; /* messages of the schedule: sent so far; all */
static int64_t first_counted;              /* the first one after the warm-up */
static int64_t latencies_ns[MAX_UNSENT], lags_ns[MAX_UNSENT], latency_count;

static _Noreturn void fail(int status, const char *format, ...)
{
    va_list more;
    va_start(more, format);
    vfprintf(stderr, format, more);
    va_end(more);
    fputc('\n', stderr);
    exit(status);
}

static int64_t clock_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void *allocate(size_t count, size_t size)
{
    void *room = calloc(count, size);
    if (!room)
        fail(2, "no memory for %zu times %zu bytes", count, size);
    return room;
}

/* --- the common stream */

static unsigned char *stream_at(uint64_t place)
{
    return stream + place % STREAM_BYTES;
}

/* Memory that is mapped twice in a row, so that every piece of the stream is contiguous. */
static void map_stream(void)
{
    int file = memfd_create("stream", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, STREAM_BYTES) < 0)
        fail(2, "no memory for the stream: %s", strerror(errno));
    stream = mmap(NULL, 2 * STREAM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int half = 0; half < 2; half++)
        if (stream == MAP_FAILED || mmap(stream + (size_t)half * STREAM_BYTES, STREAM_BYTES, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
            fail(2, "no memory for the stream: %s", strerror(errno));
    close(file);
}

/* Turn a message into the next one of its sender: its number is decimal digits. */
static void increment_number(unsigned char *frame)
{
    unsigned char *digit = frame + MIN_BODY_BYTES;
    while (++*digit > '9')
        *digit-- = '0';
}

/* Verify the messages that no client has received before. */
static void parse(void)
{
    for (; length - parsed >= frame_bytes; parsed += frame_bytes) {
        const unsigned char *frame = stream_at(parsed);
        unsigned number = 0;
        for (int i = 1; i <= SENDER_DIGITS; i++)
            number = number * 10 + (unsigned)(frame[i] - '0');
        struct sender *sender = senders + number;
        if (number >= ALL_SENDERS || memcmp(frame, sender->expected, frame_bytes) != 0)
            fail(1, "a client received what is no sender's next message: %.*s", (int)frame_bytes - 1, frame + 1);
        if (sender->received == sender->sent)
            fail(1, "a client received a message that no client has sent");
        sender->ends[(uint64_t)sender->received++ % MAX_UNSENT] = parsed + frame_bytes;
        increment_number(sender->expected);
    }
}

static void compare(struct client *client, const unsigned char *data, size_t size)
{
    uint64_t behind = length - client->offset;
    size_t known = behind < size ? (size_t)behind : size;
    if (behind > STREAM_BYTES)
        fail(1, "a client is over %d bytes behind", STREAM_BYTES);
    if (memcmp(stream_at(client->offset), data, known) != 0)
        fail(1, "two clients received different streams: something was lost, or the server is at fault");
    client->offset += size;
    if (known < size) {
        memcpy(stream_at(length), data + known, size - known);
        length += size - known;
        parse();
    }
}

static int64_t intended_ns(int64_t number)
{
    return start_ns + (int64_t)((double)number * (1e9 / rate_per_s));
}

/* Count the messages that have come back to their sender. */
static void count_echoes(struct sender *sender)
{
    if (sender < first_sender || sender >= end_of_senders)
        return;
    if (is_discarding) {
        int64_t count = (int64_t)((sender->client->offset - sender->offset_before) / frame_bytes);
        sender->echoed = sender->sent_before + count / sender_count;
        return;
    }
    int64_t arrived_ns = now_ns();
    while (sender->echoed < sender->received
           && sender->ends[(uint64_t)sender->echoed % MAX_UNSENT] <= sender->client->offset) {
        int64_t number = (sender->echoed++ - sender->sent_before) * sender_count + (sender - first_sender);
        if (is_paced && number >= first_counted)
            latencies_ns[latency_count++] = arrived_ns - intended_ns(number);
    }
}

static void receive(struct client *client)
{
    static unsigned char chunk[READ_BYTES];
    ssize_t size = recv(client->fd, chunk, READ_BYTES, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0)
        fail(1, "the server closed the connection of a client that was reading");
    received_bytes += (uint64_t)size;
    progress_ns = now_ns();
    if (is_discarding)
        client->offset += (uint64_t)size;
    else
        compare(client, chunk, (size_t)size);
    if (client->sender)
        count_echoes(client->sender);
}

/* --- sending */

static void flush_unsent(struct sender *sender)
{
    ssize_t sent = send(sender->client->fd, sender->unsent + sender->from, sender->to - sender->from, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        fail(1, "the server closed the connection of a client that was sending");
    sender->from += sent > 0 ? (size_t)sent : 0;
    if (sender->from == sender->to)
        sender->from = sender->to = 0;
}

static void send_messages(struct sender *sender, int64_t count)
{
    if (sender->to + (size_t)count * frame_bytes > MAX_UNSENT * frame_bytes)
        fail(1, "the server has not taken the last %d messages of a sender", MAX_UNSENT);
    for (int64_t i = 0; i < count; i++) {
        memcpy(sender->unsent + sender->to, sender->next, frame_bytes);
        sender->to += frame_bytes;
        increment_number(sender->next);
    }
    sender->sent += count;
    flush_unsent(sender);
}

static void fill_in_flight(void)
{
    for (struct sender *sender = first_sender; sender < end_of_senders; sender++) {
        int64_t room = max_in_flight - (sender->sent - sender->echoed);
        /* In batches of half a share: otherwise the wake-ups for single echoes would dominate. */
        if (room >= (max_in_flight > 1 ? max_in_flight / 2 : 1) && sender->from == sender->to)
            send_messages(sender, room);
    }
}

static void send_due(void)
{
    int64_t late_ns;
    while (scheduled < schedule_length && (late_ns = now_ns() - intended_ns(scheduled)) >= 0) {
        lags_ns[scheduled] = late_ns;
        send_messages(first_sender + scheduled % sender_count, 1);
        scheduled++;
    }
}

/* --- the loop */

/* Receive for so many nanoseconds. */
static void step(int64_t wait_ns)
{
    struct epoll_event events[MAX_EVENTS];
    struct timespec wait = {0};
    if (wait_ns > 0 && !is_spinning)
        wait = (struct timespec){.tv_sec = wait_ns / SECOND_NS, .tv_nsec = wait_ns % SECOND_NS};
    int ready = epoll_pwait2(poll_fd, events, MAX_EVENTS, &wait, NULL); /* epoll_wait counts in milliseconds */
    for (int i = 0; i < ready; i++)
        receive(events[i].data.ptr);
    for (struct sender *sender = first_sender; sender < end_of_senders; sender++)
        if (sender->from < sender->to)
            flush_unsent(sender);
}

static void run_until(int64_t end)
{
    int64_t now;
    while ((now = now_ns()) < end) {
        int64_t until = end;
        if (is_paced) {
            send_due();
            until = intended_ns(scheduled) < end ? intended_ns(scheduled) : end;
            now = now_ns();
        } else {
            fill_in_flight();
        }
        step(until - now);
    }
}

/* Wait until every client has received every message. */
static void drain(void)
{
    uint64_t due = 0;
    for (struct sender *sender = senders; sender < senders + ALL_SENDERS; sender++)
        due += (uint64_t)sender->sent * frame_bytes;
    int64_t end = now_ns() + DRAIN_NS;
    while (received_bytes < due * (unsigned)client_count && now_ns() < end)
        step(DRAIN_NS / 100);
    for (struct client *client = clients; client < clients + client_count; client++)
        if (client->offset != due)
            fail(1, "a client received %" PRIu64 " bytes of %" PRIu64, client->offset, due);
}

/* --- joining */

static void connect_all(const char *address)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    unsigned port;
    int end = 0, enable = 1;
    if (sscanf(address, "%15[0-9.]:%5u%n", host, &port, &end) != 2 || address[end] || port > 65535 ||
        inet_pton(AF_INET, host, &server.sin_addr) != 1)
        fail(2, "%s is no address: expected one like 127.0.0.1:9000", address);
    server.sin_port = htons((uint16_t)port);
    clients = allocate((size_t)client_count, sizeof *clients);
    for (struct client *client = clients; client < clients + client_count; client++) {
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&server, sizeof server) < 0)
            fail(1, "client %td could not connect: %s", client - clients, strerror(errno));
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &enable, sizeof enable);
    }
}

/* Send a marker, and wait until all clients have received it and nothing after it; else try again with the next one. */
static void join(void)
{
    for (int number = 1;; number++) {
        char frame[MARKER_BYTES + 1], received[MARKER_BYTES];
        snprintf(frame, sizeof frame, "%cmark %05d", MARKER_BYTES - 1, number);
        if (number > 60 || send(clients->fd, frame, MARKER_BYTES, MSG_NOSIGNAL) != MARKER_BYTES)
            fail(1, "not all clients receive what is sent");
        int64_t end = now_ns() + MARKER_NS;
        int in_step = 0;
        for (struct client *client = clients; client < clients + client_count; client++) {
            struct timeval timeout = {.tv_usec = 1};
            ssize_t size = 0;
            do { /* markers are read one by one, until this one has come or it is too late */
                int64_t left_ns = end - now_ns();
                if (left_ns > 1000)
                    timeout.tv_usec = left_ns / 1000;
                setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
                size = recv(client->fd, received, MARKER_BYTES, MSG_WAITALL);
            } while (size == MARKER_BYTES && memcmp(received, frame, MARKER_BYTES) != 0);
            if (size > 0 && size < MARKER_BYTES)
                fail(1, "a client received half a message");
            in_step += size == MARKER_BYTES;
        }
        if (in_step == client_count)
            return;
    }
}

static void choose_senders(void)
{
    for (int number = 0; number < ALL_SENDERS; number++) {
        struct sender *sender = senders + number;
        /* Spread over the room: many servers serve in the order of joining, and the first would look fast. */
        int eighths = number == MIDDLE ? MAX_SENDERS : 2 * number + 1;
        sender->client = clients + eighths * client_count / (2 * MAX_SENDERS);
        sender->client->sender = sender;
        sender->ends = allocate(MAX_UNSENT, sizeof *sender->ends);
        sender->unsent = allocate(MAX_UNSENT, frame_bytes);
        memset(sender->next, '~', sizeof sender->next);
        memset(sender->next + 1, '0', MIN_BODY_BYTES);
        sender->next[0] = (unsigned char)(frame_bytes - 1);
        sender->next[SENDER_DIGITS] += (unsigned char)number;
        memcpy(sender->expected, sender->next, sizeof sender->next);
    }
}

static void watch_all(void)
{
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (struct client *client = clients; client < clients + client_count; client++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        struct timeval never = {0};
        setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
        if (fcntl(client->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
            fail(2, "a client cannot be watched: %s", strerror(errno));
    }
}

/* --- options and results */

static void read_options(int count, char **arguments)
{
    if (count < 2)
        fail(2, "usage: generator HOST:PORT [NAME=VALUE...]");
    for (int i = 2; i < count; i++) {
        struct option *option = options;
        size_t size = strcspn(arguments[i], "=");
        while (option < options + OPTIONS
               && (strlen(option->name) != size || strncmp(option->name, arguments[i], size)))
            option++;
        char *end = arguments[i] + size;
        if (option == options + OPTIONS || *end != '=')
            fail(2, "%s: there is no such option", arguments[i]);
        option->value = strtod(end + 1, &end);
        if (*end || !(option->value >= option->lowest && option->value <= option->highest))
            fail(2, "%s: expected a number from %g to %g", arguments[i], option->lowest, option->highest);
    }
    client_count = (int)options[CLIENTS].value;
    is_spinning = options[SPIN].value > 0;
    is_discarding = options[DISCARD].value > 0;
    frame_bytes = 1 + (size_t)options[BODY_BYTES].value;
}

static int by_size(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int64_t percentile(int64_t *values, int64_t count, double percent)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    int64_t place = (int64_t)((double)count * percent / 100);
    return count ? values[place < count ? place : count - 1] : 0;
}

/* --- slices */

/* Let senders have the load of a slice from now on. */
static void begin(int64_t count)
{
    sender_count = count;
    first_sender = count == 1 ? senders + MIDDLE : senders;
    end_of_senders = first_sender + count;
    scheduled = latency_count = 0;
    for (struct sender *sender = first_sender; sender < end_of_senders; sender++) {
        sender->sent_before = sender->echoed = sender->sent;
        sender->offset_before = sender->client->offset;
    }
}

static void slice(const char *line)
{
    char kind[8];
    int count;
    double load, warm_up_s, seconds;
    if (sscanf(line, "%7s %d %lf %lf %lf", kind, &count, &load, &warm_up_s, &seconds) != 5 || count < 1 ||
        count > MAX_SENDERS || !(load >= 1 && warm_up_s >= 0 && seconds > 0))
        fail(2, "expected a kind of slice, its senders, its load and two times: %s", line);
    is_paced = strcmp(kind, "paced") == 0;
    double most = is_paced ? load * (warm_up_s + seconds) : load;
    if (most >= MAX_UNSENT || (is_paced && is_discarding))
        fail(2, "too many messages, or latencies without verification: %s", line);
    begin(count);
    rate_per_s = load;
    max_in_flight = (int64_t)load / count > 1 ? (int64_t)load / count : 1;
    schedule_length = (int64_t)most;
    first_counted = (int64_t)(load * warm_up_s);

    start_ns = now_ns() + (is_paced ? LEAD_NS : 0);
    int64_t begin_ns = start_ns + (int64_t)(warm_up_s * 1e9);
    if (is_paced)
        run_until(begin_ns);
    uint64_t bytes_before = received_bytes;
    int64_t cpu_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), began = now_ns();
    int64_t end_ns = begin_ns + (int64_t)(seconds * 1e9);
    run_until(end_ns);
    while (received_bytes == bytes_before && now_ns() < begin_ns + DRAIN_NS) /* it may take longer to answer */
        run_until(end_ns += (int64_t)(seconds * 1e9));
    double elapsed_s = (double)(now_ns() - began) / 1e9;
    double cpu_s = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_before) / 1e9;
    double deliveries = (double)(received_bytes - bytes_before) / (double)frame_bytes;
    if (is_paced)
        send_due(); /* what was due while this process waited for its core */
    drain();
    if (!is_paced) { /* all that was sent counts, until its last delivery: see `ResidentLoad.flood` */
        elapsed_s = (double)(progress_ns - began) / 1e9;
        deliveries = (double)(received_bytes - bytes_before) / (double)frame_bytes;
    }

    printf("{\"deliveries_per_s\": %.0f, \"generator_cpu_share\": %.4f", deliveries / elapsed_s, cpu_s / elapsed_s);
    if (is_paced)
        printf(", \"latency_p50_ns\": %" PRId64 ", \"latency_p99_ns\": %" PRId64 ", \"send_lag_p99_ns\": %" PRId64,
               percentile(latencies_ns, latency_count, 50), percentile(latencies_ns, latency_count, 99),
               percentile(lags_ns + first_counted, scheduled - first_counted, 99));
    printf("}\n");
    fflush(stdout);
}

int main(int count, char **arguments)
{
    char line[128];
    read_options(count, arguments);
    if (options[CORE].value >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((unsigned)options[CORE].value, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) < 0)
            fail(2, "core %g: %s", options[CORE].value, strerror(errno));
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1UL); /* or a sleep ends 50 microseconds late */
    connect_all(arguments[1]);
    join();
    choose_senders();
    map_stream();
    watch_all();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        slice(line);
    return 0;
}
