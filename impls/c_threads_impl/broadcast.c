/* Broadcast on POSIX threads: every connection has one that reads, and a second one only while the
 * client takes less than it is offered. One more thread sends to all of them.
 *
 * Order: every reading thread appends its whole messages to the one buffer `pending`; the thread
 * `flush` takes all that is there and sends it to all clients: that is the common order.
 * A slow client: what the kernel does not take is kept, and sent by a thread that waits for this
 * client only. While that is more than LIMIT bytes, the client misses new batches, always as whole
 * messages. */

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    CHUNK = 64 * 1024,                 /* bytes per read, and per blocking write */
    LIMIT = 256 * 1024,                /* a client with more unsent bytes misses new batches */
    MESSAGE = 256,                     /* bytes of the longest message, including its header */
    MAX_PENDING = 2 * CHUNK + MESSAGE, /* bytes collected at most before they are sent */
    STACK = 128 * 1024,                /* bytes per thread; only pages in use cost memory */
    LINGER_S = 10,  /* for a client that has closed its sending side to read what is unsent */
    RETRY_MS = 100, /* how long to wait for a descriptor or a thread when none is left */
};

struct client {
    int fd;
    struct client *next, **link; /* in the list of all clients */
    bool excluded;               /* it gets no new batches */
    unsigned char *unsent; /* NULL, or LIMIT + MAX_PENDING bytes; [from, to) are still to send */
    size_t from, to;
    pthread_cond_t sent; /* signalled when nothing is unsent any more */
};

/* A thread that needs both locks takes `pending_lock` first. */
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the messages: */
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;        /* there are some */
static pthread_cond_t taken = PTHREAD_COND_INITIALIZER;          /* there is space for more */
static unsigned char pending[MAX_PENDING]; /* whole messages in their final order, not yet sent */
static size_t pending_length;
static unsigned long turns;                               /* how often `flush` has taken them */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER; /* guards the clients and the room: */
static struct client *room;                               /* all clients */

static void join(struct client *), leave(struct client *), broadcast(const unsigned char *, size_t);
static void offer(struct client *, const unsigned char *, size_t), exclude(struct client *);
static bool start(void *(*work)(void *), void *argument);

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

static void *serve(void *argument)
{
    struct client *client = argument;
    unsigned char data[MESSAGE + CHUNK];
    size_t size = 0;
    ssize_t got;
    join(client);
    while ((got = recv(client->fd, data + size, CHUNK, 0)) > 0) { /* a reset is an end too */
        size += (size_t)got;
        size_t whole = whole_messages(data, size);
        if (whole > 0)
            broadcast(data, whole);
        size -= whole;
        memmove(data, data + whole, size);
    }
    leave(client);
    close(client->fd);
    pthread_cond_destroy(&client->sent);
    free(client);
    return NULL;
}

static void join(struct client *client)
{
    pthread_mutex_lock(&order);
    client->next = room;
    client->link = &room;
    if (room)
        room->link = &client->next;
    room = client;
    pthread_mutex_unlock(&order);
}

/* Leave the room, and wait until everything that is unsent is sent, or for LINGER_S. */
static void leave(struct client *client)
{
    pthread_mutex_lock(&pending_lock);
    for (unsigned long turn = turns; pending_length > 0 && turn == turns;)
        pthread_cond_wait(&taken, &pending_lock); /* it still receives its own last messages */
    pthread_mutex_lock(&order);
    pthread_mutex_unlock(&pending_lock);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += LINGER_S;
    while (client->unsent && !client->excluded)
        if (pthread_cond_clockwait(&client->sent, &order, CLOCK_MONOTONIC, &deadline) != 0)
            exclude(client); /* it may never read: `send` fails in the other thread */
    while (client->unsent)
        pthread_cond_wait(&client->sent, &order);
    pthread_mutex_unlock(&order);
}

/* The second thread of a connection: it sends what the kernel did not take, and ends. */
static void *write_unsent(void *argument)
{
    struct client *client = argument;
    unsigned char data[CHUNK];
    pthread_mutex_lock(&order);
    while (client->from < client->to && !client->excluded) {
        size_t size = client->to - client->from < CHUNK ? client->to - client->from : CHUNK;
        memcpy(data, client->unsent + client->from, size);
        pthread_mutex_unlock(&order);
        bool sent = send(client->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
        pthread_mutex_lock(&order);
        client->from += size; /* only now: what is being sent counts as unsent */
        if (!sent)
            exclude(client);
    }
    free(client->unsent);
    client->unsent = NULL;
    pthread_cond_signal(&client->sent);
    pthread_mutex_unlock(&order);
    return NULL;
}

/* Nothing more can be sent to it. What it has sent is still read, to the end that this makes. */
static void exclude(struct client *client)
{
    client->excluded = true;
    shutdown(client->fd, SHUT_RDWR);
}

/* Append these messages to the common order. */
static void broadcast(const unsigned char *batch, size_t size)
{
    pthread_mutex_lock(&pending_lock);
    while (pending_length + size > MAX_PENDING)
        pthread_cond_wait(&taken, &pending_lock);
    if (pending_length == 0)
        pthread_cond_signal(&arrived);
    memcpy(pending + pending_length, batch, size);
    pending_length += size;
    pthread_mutex_unlock(&pending_lock);
}

/* A thread of its own: offer all that is pending as one batch, one send per client. While it sends,
 * and on a busy core until its turn comes, the reading threads append more. */
static _Noreturn void *flush(void *argument)
{
    (void)argument;
    static unsigned char batch[MAX_PENDING];
    for (;;) {
        pthread_mutex_lock(&pending_lock);
        while (pending_length == 0)
            pthread_cond_wait(&arrived, &pending_lock);
        size_t size = pending_length;
        memcpy(batch, pending, size);
        pending_length = 0;
        turns++;
        pthread_cond_broadcast(&taken);
        pthread_mutex_lock(&order); /* before the other lock is released: `leave` relies on it */
        pthread_mutex_unlock(&pending_lock);
        for (struct client *client = room; client; client = client->next)
            if (!client->excluded)
                offer(client, batch, size);
        pthread_mutex_unlock(&order);
    }
}

/* Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
static void offer(struct client *client, const unsigned char *batch, size_t size)
{
    if (!client->unsent) {
        ssize_t sent = send(client->fd, batch, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == (ssize_t)size)
            return;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            exclude(client);
            return;
        }
        client->from = client->to = 0;
        client->unsent = malloc(LIMIT + MAX_PENDING);
        if (!client->unsent || !start(write_unsent, client)) {
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

static _Noreturn void *accept_clients(void *argument)
{
    int *listener = argument;
    for (;;) {
        int fd = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);
        struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
        if (client) {
            client->fd = fd;
            pthread_cond_init(&client->sent, NULL);
            if (start(serve, client))
                continue;
        }
        free(client);
        if (fd >= 0)
            close(fd);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
}

static bool start(void *(*work)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, work, argument) == 0;
    pthread_attr_destroy(&attributes);
    return started;
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
    int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0 || /* clients inherit it */
        bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&bound, &size) < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(errno));
        exit(1);
    }
    freeaddrinfo(found);
    int length = (int)(strrchr(address, ':') - address);
    printf("listening on %.*s:%d\n", length, address, ntohs(bound.sin6_port));
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments)
{
    int listener = listen_on(count == 2 ? arguments[1] : ""), number;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* the other threads inherit it */
    if (!start(flush, NULL) || !start(accept_clients, &listener))
        return 1;
    sigwait(&signals, &number);
    return 0; /* nothing needs saving, and the kernel closes every connection */
}
