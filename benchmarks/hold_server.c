/* A lawful server of the spec `broadcast` that holds each message for exactly so long before it sends it to all: the
 * ground truth for latencies. HOLD_US in the environment says how many microseconds; 0 when it does not.
 *
 * While somebody speaks it never sleeps, whatever it holds: how late a sleep ends would be in the latency, and not the
 * same with a hold and without. When nobody has spoken for a while, it waits for its clients like any other server.
 *
 * A client with LIMIT bytes unsent misses what is new, as whole messages; who leaves is forgotten at once. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 64 * 1024,        /* bytes a read */
    MESSAGE = 256,            /* bytes of the longest message, its length byte included */
    LIMIT = 256 * 1024,       /* bytes unsent beyond which a client misses what is new */
    HELD = 16 * 1024 * 1024,  /* bytes held, beyond which nobody is read until some of them have gone */
    BATCHES = 64 * 1024,      /* the same in reads */
    BACKLOG = 1024,
    EVENTS = 256,
    LARGEST_HOLD_US = 1000000,
};

static const int64_t AWAKE_NS = 50000000; /* after the last message, without a sleep */

struct client {
    int fd;
    bool gone;             /* to be forgotten at the end of the turn */
    size_t rest_size;      /* the unfinished message at the end of what it sent: */
    unsigned char rest[MESSAGE];
    unsigned char *unsent; /* NULL, or LIMIT + CHUNK + MESSAGE bytes of which the first unsent_size are left */
    size_t unsent_size;
};

struct batch { /* the whole messages of one read */
    int64_t due_ns;
    size_t size;
};

static int poll_fd, listener;
static struct client **room;
static size_t room_size;
static bool somebody_is_gone;
static int64_t hold_ns, last_ns; /* when somebody spoke last */
static unsigned char held[HELD];
static size_t held_from, held_to;
static struct batch batches[BATCHES];
static uint64_t first_batch, next_batch; /* modulo BATCHES */

static _Noreturn void fail(int status, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(status);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void forget(struct client *client)
{
    client->gone = somebody_is_gone = true;
}

static void watch(struct client *client, int how)
{
    struct epoll_event event = {.events = EPOLLIN | (client->unsent ? EPOLLOUT : 0), .data.ptr = client};
    if (epoll_ctl(poll_fd, how, client->fd, &event) < 0)
        forget(client);
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (room_size % BACKLOG == 0)
            room = realloc(room, (room_size + BACKLOG) * sizeof *room);
        struct client *client = calloc(1, sizeof *client);
        if (!room || !client)
            abort(); /* a few hundred bytes are not to be had: nothing sensible is left to do */
        client->fd = fd;
        room[room_size++] = client;
        watch(client, EPOLL_CTL_ADD);
    }
}

/* Read once, and hold what is whole. */
static void hear(struct client *client)
{
    if (held_from == held_to)
        held_from = held_to = 0;
    if (held_to + CHUNK + MESSAGE > HELD) {
        memmove(held, held + held_from, held_to - held_from);
        held_to -= held_from;
        held_from = 0;
    }
    if (held_to + CHUNK + MESSAGE > HELD || next_batch - first_batch == BATCHES)
        return; /* it is there in the next turn as well */
    unsigned char *data = held + held_to;
    ssize_t got = recv(client->fd, data + client->rest_size, CHUNK, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        forget(client);
        return;
    }
    memcpy(data, client->rest, client->rest_size);
    size_t size = client->rest_size + (size_t)got, whole = 0;
    while (whole < size && whole + 1 + data[whole] <= size)
        whole += 1 + (size_t)data[whole];
    client->rest_size = size - whole;
    memcpy(client->rest, data + whole, client->rest_size);
    last_ns = now_ns();
    if (whole > 0) {
        batches[next_batch++ % BATCHES] = (struct batch){.due_ns = last_ns + hold_ns, .size = whole};
        held_to += whole;
    }
}

/* As many bytes as the kernel takes now. */
static size_t send_some(struct client *client, const unsigned char *data, size_t size)
{
    ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        forget(client);
    return sent < 0 ? 0 : (size_t)sent;
}

static void flush(struct client *client)
{
    size_t sent = send_some(client, client->unsent, client->unsent_size);
    client->unsent_size -= sent;
    memmove(client->unsent, client->unsent + sent, client->unsent_size);
    if (client->unsent_size == 0) {
        free(client->unsent);
        client->unsent = NULL;
        watch(client, EPOLL_CTL_MOD);
    }
}

/* All of a batch, or none of it for a client that is too far behind. */
static void tell(struct client *client, const unsigned char *data, size_t size)
{
    if (client->gone || client->unsent_size > LIMIT)
        return;
    size_t sent = client->unsent ? 0 : send_some(client, data, size);
    if (sent == size || client->gone)
        return;
    if (!client->unsent) {
        client->unsent = malloc(LIMIT + CHUNK + MESSAGE);
        if (!client->unsent)
            abort();
        watch(client, EPOLL_CTL_MOD);
    }
    memcpy(client->unsent + client->unsent_size, data + sent, size - sent);
    client->unsent_size += size - sent;
}

/* Send to all what has been held long enough. */
static void release(void)
{
    while (first_batch < next_batch && batches[first_batch % BATCHES].due_ns <= now_ns()) {
        size_t size = batches[first_batch++ % BATCHES].size;
        for (size_t i = 0; i < room_size; i++)
            tell(room[i], held + held_from, size);
        held_from += size;
    }
}

static void bury(void)
{
    for (size_t i = room_size; somebody_is_gone && i-- > 0;) {
        struct client *client = room[i];
        if (!client->gone)
            continue;
        room[i] = room[--room_size]; /* which has been looked at already */
        close(client->fd);
        free(client->unsent);
        free(client);
    }
    somebody_is_gone = false;
}

static void listen_on(const char *address)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    unsigned port;
    int end = 0, yes = 1;
    if (sscanf(address, "%15[0-9.]:%5u%n", host, &port, &end) != 2 || address[end] || port > 65535 ||
        inet_pton(AF_INET, host, &where.sin_addr) != 1)
        fail(2, address, "expected an address like 127.0.0.1:9000");
    where.sin_port = htons((uint16_t)port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t size = sizeof where;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* clients inherit it */
    if (bind(listener, (struct sockaddr *)&where, sizeof where) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&where, &size) < 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        fail(1, address, strerror(errno));
    printf("listening on %s:%d\n", host, ntohs(where.sin_port));
    fflush(stdout);
}

int main(int count, char **words)
{
    const char *asked = getenv("HOLD_US");
    char *end = "";
    double hold_us = asked ? strtod(asked, &end) : 0;
    if (*end || !(hold_us >= 0 && hold_us <= LARGEST_HOLD_US))
        fail(2, asked, "expected HOLD_US to be from 0 to 1000000");
    hold_ns = (int64_t)(hold_us * 1000);
    if (count != 2)
        fail(2, words[0], "expected one argument, an address");
    listen_on(words[1]);
    for (;;) {
        struct epoll_event events[EVENTS];
        bool may_sleep = first_batch == next_batch && now_ns() - last_ns > AWAKE_NS;
        int ready = epoll_wait(poll_fd, events, EVENTS, may_sleep ? -1 : 0);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client) {
                accept_all();
                continue;
            }
            if (!client->gone && events[i].events & EPOLLOUT && client->unsent)
                flush(client);
            if (!client->gone && events[i].events & ~(unsigned)EPOLLOUT) {
                hear(client);
                release(); /* with no hold, at once */
            }
        }
        release();
        bury();
    }
}
