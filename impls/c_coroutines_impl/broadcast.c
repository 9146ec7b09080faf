/* Broadcast on PCL: coroutines in C, each with its own stack, on one thread. Every connection has
 * one that reads, and a second one only while the client takes less than it is offered.
 *
 * Order: in a turn of the scheduler every coroutine with input runs, and appends its whole messages
 * to the one buffer `pending`; at the end of the turn that goes to all clients with one send each.
 * A slow client: what the kernel does not take is kept, and sent by a coroutine that waits for this
 * client only. While that is more than LIMIT bytes, the client misses new batches, always as whole
 * messages. */

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pcl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    CHUNK = 64 * 1024,                 /* bytes per read */
    LIMIT = 256 * 1024,                /* a client with more unsent bytes misses new batches */
    MESSAGE = 256,                     /* bytes of the longest message, including its header */
    MAX_PENDING = 2 * CHUNK + MESSAGE, /* bytes collected at most before they are sent */
    STACK = 128 * 1024,                /* bytes per coroutine; only pages in use cost memory */
    EVENTS = 256,
    LINGER_MS = 10000, /* for a client that has closed its sending side to read what is unsent */
    RETRY_MS = 100, /* how long to wait for a descriptor or memory when none is left */
};

struct client {
    int fd;
    coroutine_t reader, writer;  /* waiting for the kernel, or NULL */
    struct client *next, **link; /* in the list of all clients */
    bool leaving;                /* its stream has ended, and its reader as well */
    bool excluded;               /* it gets no new batches */
    unsigned char *unsent; /* NULL, or LIMIT + MAX_PENDING bytes; [from, to) are still to send */
    size_t from, to;
    int64_t deadline; /* 0, or when to exclude it: it is leaving, and one of `lingering` */
    TAILQ_ENTRY(client) lingering;
};

/* No lock guards these: no other coroutine runs until the current one calls `co_resume`. */
static int epoll;
static struct client listener; /* its reader accepts the clients */
static bool pausing;           /* that reader waits for the next event, at most RETRY_MS */
static struct client *room;    /* all clients */
/* Clients that are leaving with something unsent; the first has the first deadline. */
static TAILQ_HEAD(, client) lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned char pending[MAX_PENDING]; /* whole messages in their final order, not yet sent */
static size_t pending_length;

static void serve(void *), write_unsent(void *), exclude(struct client *), let_go(struct client *);
static ssize_t read_some(struct client *, unsigned char *, size_t);
static void broadcast(const unsigned char *, size_t), flush(void);
static void offer(struct client *, const unsigned char *, size_t);
static bool start(coroutine_t *, void (*work)(void *), struct client *);
static bool watch(struct client *, int how);
static void give_up(void);
static int timeout_ms(void);
static int64_t now_ms(void);

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

static void serve(void *argument)
{
    struct client *client = argument;
    unsigned char data[MESSAGE + CHUNK];
    size_t size = 0;
    ssize_t got;
    client->next = room;
    client->link = &room;
    if (room)
        room->link = &client->next;
    room = client;
    while ((got = read_some(client, data + size, CHUNK)) > 0) { /* a reset is an end too */
        size += (size_t)got;
        size_t whole = whole_messages(data, size);
        broadcast(data, whole);
        size -= whole;
        memmove(data, data + whole, size);
    }
    flush(); /* a leaving client still receives its own last messages */
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    client->leaving = true;
    client->deadline = now_ms() + LINGER_MS; /* it may never read */
    TAILQ_INSERT_TAIL(&lingering, client, lingering);
    client->reader = NULL;
    let_go(client);
}

/* It looks like a blocking read; meanwhile other coroutines run. */
static ssize_t read_some(struct client *client, unsigned char *data, size_t size)
{
    ssize_t got;
    do {
        co_resume(); /* before each read, so that a flood does not starve the others */
        got = recv(client->fd, data, size, 0);
    } while (got < 0 && errno == EAGAIN);
    return got;
}

/* The second coroutine of a connection: it sends what the kernel did not take, and ends. */
static void write_unsent(void *argument)
{
    struct client *client = argument;
    do {
        co_resume(); /* until the kernel has room */
        size_t size = client->to - client->from;
        ssize_t sent = send(client->fd, client->unsent + client->from, size, MSG_NOSIGNAL);
        if (sent >= 0)
            client->from += (size_t)sent;
        else if (errno != EAGAIN)
            exclude(client);
    } while (client->from < client->to && !client->excluded);
    free(client->unsent);
    client->unsent = NULL;
    client->writer = NULL;
    let_go(client);
}

/* Nothing more can be sent to it. What it has sent is still read, to the end that this makes. */
static void exclude(struct client *client)
{
    client->excluded = true;
    shutdown(client->fd, SHUT_RDWR);
}

/* A coroutine has ended; close the connection if it was the last one. */
static void let_go(struct client *client)
{
    if (client->reader || client->writer) {
        watch(client, EPOLL_CTL_MOD);
        return;
    }
    if (client->deadline)
        TAILQ_REMOVE(&lingering, client, lingering);
    close(client->fd);
    free(client);
}

/* Append these messages to the common order. */
static void broadcast(const unsigned char *batch, size_t size)
{
    if (pending_length + size > MAX_PENDING)
        flush();
    memcpy(pending + pending_length, batch, size);
    pending_length += size;
}

/* Offer what is pending as one batch: one send per client, however many clients have sent. */
static void flush(void)
{
    for (struct client *client = room; pending_length > 0 && client; client = client->next)
        if (!client->excluded)
            offer(client, pending, pending_length);
    pending_length = 0;
}

/* Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
static void offer(struct client *client, const unsigned char *batch, size_t size)
{
    if (!client->unsent) {
        ssize_t sent = send(client->fd, batch, size, MSG_NOSIGNAL);
        if (sent == (ssize_t)size)
            return;
        if (sent < 0 && errno != EAGAIN) {
            exclude(client);
            return;
        }
        client->from = client->to = 0;
        client->unsent = malloc(LIMIT + MAX_PENDING);
        if (!client->unsent || !watch(client, EPOLL_CTL_MOD) ||
            !start(&client->writer, write_unsent, client)) {
            free(client->unsent);
            client->unsent = NULL;
            exclude(client); /* a message may be cut in two: the stream is broken */
            return;
        }
        batch += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : (size_t)sent;
    }
    if (client->to - client->from > LIMIT)
        return;
    if (client->to + size > LIMIT + MAX_PENDING) {
        memmove(client->unsent, client->unsent + client->from, client->to - client->from);
        client->to -= client->from;
        client->from = 0;
    }
    memcpy(client->unsent + client->to, batch, size);
    client->to += size;
}

static void accept_clients(void *argument)
{
    (void)argument;
    for (;;) {
        int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        pausing = fd < 0 && errno != EAGAIN;
        struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
        if (client) {
            client->fd = fd;
            if (watch(client, EPOLL_CTL_ADD) && start(&client->reader, serve, client))
                continue;
        }
        if (fd >= 0) {
            pausing = true;
            free(client);
            close(fd);
        }
        co_resume(); /* until the next connection, or until the pause is over */
    }
}

/* The scheduler: ask the kernel which coroutines can continue, and resume them one by one. */
static void run(void)
{
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, timeout_ms());
        if (pausing)
            co_call(listener.reader);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            coroutine_t reader = client->reader, writer = client->writer;
            if (reader && events[i].events & ~(unsigned)EPOLLOUT)
                co_call(reader); /* after which the client may be gone, unless it has a writer */
            if (writer && events[i].events & ~(unsigned)EPOLLIN)
                co_call(writer);
        }
        flush();
        give_up();
    }
}

/* How long to wait for events: until there is something else to do, or for ever (-1). */
static int timeout_ms(void)
{
    struct client *first = TAILQ_FIRST(&lingering);
    if (pausing || !first)
        return pausing ? RETRY_MS : -1;
    int64_t left = first->deadline - now_ms();
    return left > 0 ? (int)left : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Exclude the clients whose deadline has passed: each writer continues, fails, and ends. */
static void give_up(void)
{
    struct client *first;
    while ((first = TAILQ_FIRST(&lingering)) && first->deadline <= now_ms()) {
        TAILQ_REMOVE(&lingering, first, lingering);
        first->deadline = 0;
        exclude(first);
    }
}

/* Start a coroutine: it runs at once, until it has to wait for the first time. */
static bool start(coroutine_t *place, void (*work)(void *), struct client *client)
{
    *place = co_create(work, client, NULL, STACK);
    if (!*place)
        return false;
    co_call(*place);
    return true;
}

/* Update the events that its coroutines wait for; called only when they change. */
static bool watch(struct client *client, int how)
{
    struct epoll_event event = {.data.ptr = client};
    event.events = (client->leaving ? 0 : EPOLLIN) | (client->unsent ? EPOLLOUT : 0);
    if (client == &listener)
        event.events |= EPOLLET; /* else the loop spins when no descriptor is left */
    return epoll_ctl(epoll, how, client->fd, &event) == 0;
}

/* What every server in C has: the address, signals, main. */

static int listen_on(const char *address)
{
    char host[256], port[6];
    int end = 0;
    bool parsed = sscanf(address, "[%255[^]]]:%5[0-9]%n", host, port, &end) == 2 ||
                  sscanf(address, "%255[^][:]:%5[0-9]%n", host, port, &end) == 2;
    if (!parsed || address[end] != '\0' || atoi(port) > 65535) {
        fputs("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)\n", stderr);
        exit(2);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_family = address[0] == '[' ? AF_INET6 : AF_UNSPEC}, *found;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, gai_strerror(problem));
        exit(1);
    }
    int yes = 1;
    struct sockaddr_in6 bound; /* the port is at the same offset in both families */
    socklen_t size = sizeof bound;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0 || /* clients inherit it */
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(errno));
        exit(1);
    }
    freeaddrinfo(found);
    int length = (int)(strrchr(address, ':') - address);
    printf("listening on %.*s:%d\n", length, address, ntohs(bound.sin6_port));
    fflush(stdout);
    return fd;
}

static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0); /* nothing needs saving, and the kernel closes every connection */
}

int main(int count, char **arguments)
{
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    listener.fd = listen_on(count == 2 ? arguments[1] : "");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!watch(&listener, EPOLL_CTL_ADD) || !start(&listener.reader, accept_clients, &listener))
        abort(); /* not even a few kilobytes are left: nothing sensible to do */
    run();
}
