/* Broadcast on POSIX threads: one that reads for every connection, and a second only while the
 * connection takes less than it is given.
 *
 * Order: every reading thread appends its whole messages to the one `tick`, and who holds the
 * lock `order` sends all that gathered there to everybody: that is the common order.
 * A slow client: what the kernel does not take at once is kept for it, and a thread that waits
 * for nobody else sends it; while that is more than LIMIT bytes, the client misses new batches,
 * always as whole messages. */

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
#include <unistd.h>

enum {
    BACKLOG = 1024,
    CHUNK = 64 * 1024,          /* bytes a read, and a write that waits */
    LIMIT = 256 * 1024,         /* bytes unsent beyond which a client misses what is new */
    MESSAGE = 256,              /* bytes of the longest message, its header included */
    TICK = 2 * CHUNK + MESSAGE, /* bytes that gather at most before they are sent */
    STACK = 128 * 1024,         /* bytes a thread, of which only what it uses is ever real memory */
    RETRY_US = 100 * 1000, /* how long to wait for a descriptor or a thread when none is left */
};

struct client {
    int fd;
    struct client *next, **link; /* in the list of all */
    bool deaf;                   /* nothing new is for it */
    unsigned char *unsent;       /* NULL, or LIMIT + TICK bytes, of which [from, to) are left */
    size_t from, to;
    pthread_cond_t sent; /* nothing is unsent any more */
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;   /* guards the clients and the room: */
static struct client *room;                                 /* everybody */
static pthread_mutex_t ticking = PTHREAD_MUTEX_INITIALIZER; /* guards the tick: */
static unsigned char tick[TICK]; /* whole messages in their final order, not yet sent */
static size_t tick_length;

static int listen_on(const char *address);
static void accept_clients(int listener), broadcast(const unsigned char *, size_t), flush(void);
static void offer(struct client *, const unsigned char *, size_t);
static bool start(void *(*work)(void *), struct client *);
static void *serve(void *), *write_unsent(void *);

static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0); /* nothing needs saving, and the kernel closes every connection */
}

int main(int count, char **arguments)
{
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    accept_clients(listen_on(count == 2 ? arguments[1] : ""));
}

static void accept_clients(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
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
        usleep(RETRY_US);
    }
}

static bool start(void *(*work)(void *), struct client *client)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    return pthread_create(&thread, &attributes, work, client) == 0;
}

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
    pthread_mutex_lock(&order);
    client->next = room;
    client->link = &room;
    if (room)
        room->link = &client->next;
    room = client;
    pthread_mutex_unlock(&order);
    while ((got = recv(client->fd, data + size, CHUNK, 0)) > 0) { /* a reset is an end as well */
        size += (size_t)got;
        size_t whole = whole_messages(data, size);
        if (whole > 0)
            broadcast(data, whole);
        size -= whole;
        memmove(data, data + whole, size);
    }
    pthread_mutex_lock(&order);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    while (client->unsent)
        pthread_cond_wait(&client->sent, &order);
    pthread_mutex_unlock(&order);
    close(client->fd);
    pthread_cond_destroy(&client->sent);
    free(client);
    return NULL;
}

/* The second thread of a connection: it waits for the kernel to take what is unsent, and ends. */
static void *write_unsent(void *argument)
{
    struct client *client = argument;
    unsigned char data[CHUNK];
    pthread_mutex_lock(&order);
    while (client->from < client->to && !client->deaf) {
        size_t size = client->to - client->from < CHUNK ? client->to - client->from : CHUNK;
        memcpy(data, client->unsent + client->from, size);
        client->from += size;
        pthread_mutex_unlock(&order);
        bool sent = send(client->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
        pthread_mutex_lock(&order);
        client->deaf = !sent; /* the reading thread sees it too, and ends the connection */
    }
    free(client->unsent);
    client->unsent = NULL;
    pthread_cond_signal(&client->sent);
    pthread_mutex_unlock(&order);
    return NULL;
}

/* Put these messages next in the common order. */
static void broadcast(const unsigned char *batch, size_t size)
{
    pthread_mutex_lock(&ticking);
    while (tick_length + size > TICK) {
        pthread_mutex_unlock(&ticking);
        flush();
        pthread_mutex_lock(&ticking);
    }
    memcpy(tick + tick_length, batch, size);
    tick_length += size;
    pthread_mutex_unlock(&ticking);
    flush(); /* whoever gets the lock first serves all who wait for it, and leaves them no work */
}

/* Hand over what has gathered: one send a client, however many have spoken. */
static void flush(void)
{
    static unsigned char batch[TICK];
    pthread_mutex_lock(&order);
    pthread_mutex_lock(&ticking);
    size_t size = tick_length;
    memcpy(batch, tick, size);
    tick_length = 0;
    pthread_mutex_unlock(&ticking);
    for (struct client *client = room; size > 0 && client; client = client->next)
        if (!client->deaf)
            offer(client, batch, size);
    pthread_mutex_unlock(&order);
}

/* Drop policy: all of the batch, or none of it for a client that is too far behind. */
static void offer(struct client *client, const unsigned char *batch, size_t size)
{
    if (!client->unsent) {
        ssize_t sent = send(client->fd, batch, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == (ssize_t)size)
            return;
        client->from = client->to = 0;
        client->deaf = sent < 0 && errno != EAGAIN && errno != EINTR;
        if (client->deaf)
            return; /* the reading thread sees it too, and ends the connection */
        client->unsent = malloc(LIMIT + TICK);
        if (!client->unsent || !start(write_unsent, client)) {
            free(client->unsent);
            client->unsent = NULL;
            client->deaf = true;
            shutdown(client->fd, SHUT_RDWR); /* a message may be cut: the stream is void */
            return;
        }
        batch += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : (size_t)sent;
    }
    if (client->to - client->from > LIMIT)
        return;
    if (client->to + size > LIMIT + TICK) {
        memmove(client->unsent, client->unsent + client->from, client->to - client->from);
        client->to -= client->from;
        client->from = 0;
    }
    memcpy(client->unsent + client->to, batch, size);
    client->to += size;
}

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
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, gai_strerror(problem));
        exit(1);
    }
    int yes = 1;
    struct sockaddr_in6 bound; /* the port stands at the same place in both families */
    socklen_t size = sizeof bound;
    int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* clients inherit it */
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0 ||
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
