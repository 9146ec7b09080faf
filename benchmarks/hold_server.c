/* A conforming server of the spec `broadcast` that holds each message for exactly so long before it sends it to all
 * clients: the ground truth for latencies. The environment variable HOLD_US is the time in microseconds; by default 0.
 *
 * While clients send it never sleeps, whether it holds anything or not: a sleep ends late, by a time that would be part
 * of the latency and differ between a server with a hold and one without. When no client has sent anything for a while,
 * it waits for its clients like any other server.
 *
 * A client with MAX_UNSENT bytes unsent misses new messages, as whole messages; one that leaves is removed at once. */

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
    READ_BYTES = 64 * 1024,
    MAX_MESSAGE = 256,            /* bytes of the longest message, its length byte included */
    MAX_UNSENT = 256 * 1024,      /* bytes beyond which a client misses new messages */
    MAX_HELD = 16 * 1024 * 1024,  /* bytes beyond which the server reads nothing until some of them have been sent */
    MAX_BATCHES = 64 * 1024,      /* the same in reads */
    BACKLOG = 1024,
    MAX_EVENTS = 256,
    MAX_HOLD_US = 1000000,
};

static const int64_t AWAKE_NS = 50000000; /* how long after the last message the server does not sleep */

struct client {
    int fd;
    bool gone;             /* it is removed at the end of the turn */
    size_t rest_size;      /* the unfinished message at the end of what it sent: */
    unsigned char rest[MAX_MESSAGE];
    unsigned char *unsent; /* NULL, or MAX_UNSENT + READ_BYTES + MAX_MESSAGE bytes, unsent_size of them used */
    size_t unsent_size;
};

struct batch { /* the whole messages of one read */
    int64_t due_ns;
    size_t size;
};

static int poll_fd, listener;
static struct client **room;
static size_t room_size;
static bool has_gone;
static int64_t hold_ns, last_ns; /* when a client last sent something */
static unsigned char held[MAX_HELD];
static size_t held_from, held_to;
static struct batch batches[MAX_BATCHES];
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

static void mark_gone(struct client *client)
{
    client->gone = has_gone = true;
}

static void watch(struct client *client, int how)
{
    struct epoll_event event = {.events = EPOLLIN | (client->unsent ? EPOLLOUT : 0), .data.ptr = client};
    if (epoll_ctl(poll_fd, how, client->fd, &event) < 0)
        mark_gone(client);
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (room_size % BACKLOG == 0)
            room = realloc(room, (room_size + BACKLOG) * sizeof *room);
        struct client *client = calloc(1, sizeof *client);
        if (!room || !client)
            abort(); /* without memory for a few hundred bytes, nothing sensible is left to do */
        client->fd = fd;
        room[room_size++] = client;
        watch(client, EPOLL_CTL_ADD);
    }
}

/* Read once, and hold the whole messages. */
static void receive(struct client *client)
{
    if (held_from == held_to)
        held_from = held_to = 0;
    if (held_to + READ_BYTES + MAX_MESSAGE > MAX_HELD) {
        memmove(held, held + held_from, held_to - held_from);
        held_to -= held_from;
        held_from = 0;
    }
    if (held_to + READ_BYTES + MAX_MESSAGE > MAX_HELD || next_batch - first_batch == MAX_BATCHES)
        return; /* it can be read in the next turn */
    unsigned char *data = held + held_to;
    ssize_t received = recv(client->fd, data + client->rest_size, READ_BYTES, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (received <= 0) {
        mark_gone(client);
        return;
    }
    memcpy(data, client->rest, client->rest_size);
    size_t size = client->rest_size + (size_t)received, whole = 0;
    while (whole < size && whole + 1 + data[whole] <= size)
        whole += 1 + (size_t)data[whole];
    client->rest_size = size - whole;
    memcpy(client->rest, data + whole, client->rest_size);
    last_ns = now_ns();
    if (whole > 0) {
        batches[next_batch++ % MAX_BATCHES] = (struct batch){.due_ns = last_ns + hold_ns, .size = whole};
        held_to += whole;
    }
}

/* Send as many bytes as the kernel takes now; return how many. */
static size_t send_some(struct client *client, const unsigned char *data, size_t size)
{
    ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        mark_gone(client);
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

/* Send a client all of a batch, or none of it if the client is too far behind. */
static void deliver(struct client *client, const unsigned char *data, size_t size)
{
    if (client->gone || client->unsent_size > MAX_UNSENT)
        return;
    size_t sent = client->unsent ? 0 : send_some(client, data, size);
    if (sent == size || client->gone)
        return;
    if (!client->unsent) {
        client->unsent = malloc(MAX_UNSENT + READ_BYTES + MAX_MESSAGE);
        if (!client->unsent)
            abort();
        watch(client, EPOLL_CTL_MOD);
    }
    memcpy(client->unsent + client->unsent_size, data + sent, size - sent);
    client->unsent_size += size - sent;
}

/* Send to all clients what has been held long enough. */
static void release(void)
{
    while (first_batch < next_batch && batches[first_batch % MAX_BATCHES].due_ns <= now_ns()) {
        size_t size = batches[first_batch++ % MAX_BATCHES].size;
        for (size_t i = 0; i < room_size; i++)
            deliver(room[i], held + held_from, size);
        held_from += size;
    }
}

static void remove_gone(void)
{
    for (size_t i = room_size; has_gone && i-- > 0;) {
        struct client *client = room[i];
        if (!client->gone)
            continue;
        room[i] = room[--room_size]; /* the last client, which was checked before */
        close(client->fd);
        free(client->unsent);
        free(client);
    }
    has_gone = false;
}

static void listen_on(const char *address)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    unsigned port;
    int end = 0, enable = 1;
    if (sscanf(address, "%15[0-9.]:%5u%n", host, &port, &end) != 2 || address[end] || port > 65535 ||
        inet_pton(AF_INET, host, &server.sin_addr) != 1)
        fail(2, address, "expected an address like 127.0.0.1:9000");
    server.sin_port = htons((uint16_t)port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t size = sizeof server;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &enable, sizeof enable);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &enable, sizeof enable); /* clients inherit it */
    if (bind(listener, (struct sockaddr *)&server, sizeof server) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&server, &size) < 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        fail(1, address, strerror(errno));
    printf("listening on %s:%d\n", host, ntohs(server.sin_port));
    fflush(stdout);
}

int main(int count, char **arguments)
{
    const char *wanted = getenv("HOLD_US");
    char *end = "";
    double hold_us = wanted ? strtod(wanted, &end) : 0;
    if (*end || !(hold_us >= 0 && hold_us <= MAX_HOLD_US))
        fail(2, wanted, "expected HOLD_US to be from 0 to 1000000");
    hold_ns = (int64_t)(hold_us * 1000);
    if (count != 2)
        fail(2, arguments[0], "expected one argument, an address");
    listen_on(arguments[1]);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        bool may_sleep = first_batch == next_batch && now_ns() - last_ns > AWAKE_NS;
        int ready = epoll_wait(poll_fd, events, MAX_EVENTS, may_sleep ? -1 : 0);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client) {
                accept_all();
                continue;
            }
            if (!client->gone && events[i].events & EPOLLOUT && client->unsent)
                flush(client);
            if (!client->gone && events[i].events & ~(unsigned)EPOLLOUT) {
                receive(client);
                release(); /* with no hold, at once */
            }
        }
        release();
        remove_gone();
    }
}
