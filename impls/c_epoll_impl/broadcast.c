/* Broadcast on epoll: one thread, one loop, no lock.
 *
 * Order: a turn of the loop reads from every client that has sent something, straight into one
 * buffer, `pending`; at its end the whole messages collected there go to all clients with one
 * send each. The position of a message in that buffer is its place in the common order.
 * A slow client: what the kernel does not take is kept in a buffer that exists only while it is
 * needed. While that holds more than LIMIT bytes, the client misses new batches, always as whole
 * messages. No client waits for another. */

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
    EVENTS = 256,
    LINGER_MS = 10000, /* for a client that has closed its sending side to read what is unsent */
    RETRY_MS = 100, /* how long to ignore the listener when no descriptor is left */
};

struct client {
    int fd;
    bool leaving;       /* its stream has ended: send what is unsent, then close */
    bool excluded;      /* nothing more can be sent to it */
    bool dead;          /* to be closed at the end of the turn */
    size_t rest_length; /* of the unfinished message at the end of its input: */
    unsigned char rest[MESSAGE];
    unsigned char *unsent; /* NULL, or LIMIT + MAX_PENDING bytes; [from, to) are still to send */
    size_t from, to;
    int64_t deadline; /* 0, or when to close it: it is leaving, and one of `lingering` */
    TAILQ_ENTRY(client) lingering;
};

static int epoll, listener;
static int64_t retry_at; /* 0, or when to watch the listener again: no descriptor was left */
static struct client **room; /* all clients */
static size_t room_size;
static bool any_dead;
/* Clients that are leaving with something unsent; the first has the first deadline. */
static TAILQ_HEAD(, client) lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned char pending[MAX_PENDING]; /* whole messages, collected in this turn of the loop */
static size_t pending_length;

static void serve(struct client *), leave(struct client *), write_unsent(struct client *);
static void broadcast(void), give_up(void), remove_dead(void), accept_clients(void);
static void watch_listener(bool on);
static int timeout_ms(void);
static int64_t now_ms(void);

/* The event loop. A turn of it: serve every client that is ready, then send what they have sent. */
static void run(void)
{
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, timeout_ms());
        if (retry_at && now_ms() >= retry_at)
            watch_listener(true);
        give_up();
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client)
                accept_clients();
            else if (events[i].events & EPOLLOUT)
                write_unsent(client);
            if (client && events[i].events & ~(unsigned)EPOLLOUT)
                serve(client);
        }
        broadcast();
        remove_dead(); /* not earlier: a later event of this turn may be for one of them */
    }
}

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

static void serve(struct client *client)
{
    if (client->leaving) /* it no longer waits for input, so this is an error */
        client->dead = any_dead = true;
    if (client->dead)
        return;
    if (pending_length + MESSAGE + CHUNK > MAX_PENDING)
        broadcast();
    unsigned char *start = pending + pending_length;
    memcpy(start, client->rest, client->rest_length);
    ssize_t got = recv(client->fd, start + client->rest_length, CHUNK, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            leave(client);
        return;
    }
    size_t size = client->rest_length + (size_t)got, whole = whole_messages(start, size);
    pending_length += whole; /* the messages are already in place */
    client->rest_length = size - whole;
    memcpy(client->rest, start + whole, client->rest_length);
}

/* Update the events that epoll watches for this client; called only when they change. */
static void watch(struct client *client)
{
    struct epoll_event event = {.data.ptr = client};
    event.events = (client->leaving ? 0 : EPOLLIN) | (client->unsent ? EPOLLOUT : 0);
    epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void leave(struct client *client)
{
    broadcast(); /* a leaving client still receives its own last messages */
    client->leaving = true;
    if (client->unsent) {
        client->deadline = now_ms() + LINGER_MS; /* it may never read */
        TAILQ_INSERT_TAIL(&lingering, client, lingering);
        watch(client);
    } else
        client->dead = any_dead = true;
}

/* Close the clients whose deadline has passed. */
static void give_up(void)
{
    struct client *client = TAILQ_FIRST(&lingering);
    for (; client && client->deadline <= now_ms(); client = TAILQ_NEXT(client, lingering))
        client->dead = any_dead = true;
}

/* Nothing more can be sent to it. What it has sent is still read, to the end that this makes. */
static void exclude(struct client *client)
{
    client->excluded = true;
    shutdown(client->fd, SHUT_RDWR);
}

/* Send what the kernel takes now, and return how many bytes that is. */
static size_t send_some(struct client *client, const unsigned char *data, size_t size)
{
    ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        exclude(client);
    return sent < 0 ? 0 : (size_t)sent;
}

static void write_unsent(struct client *client)
{
    if (client->dead || !client->unsent)
        return;
    client->from += send_some(client, client->unsent + client->from, client->to - client->from);
    if (client->from < client->to && !client->excluded)
        return;
    free(client->unsent);
    client->unsent = NULL;
    watch(client);
    if (client->leaving)
        client->dead = any_dead = true;
}

/* Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
static void offer(struct client *client, const unsigned char *batch, size_t size)
{
    if (!client->unsent) {
        size_t sent = send_some(client, batch, size);
        if (sent == size || client->excluded)
            return;
        client->unsent = malloc(LIMIT + MAX_PENDING);
        if (!client->unsent) {
            exclude(client); /* a message may be cut in two: the stream is broken */
            return;
        }
        client->from = client->to = 0;
        batch += sent;
        size -= sent;
        watch(client);
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

/* Offer what is pending as one batch. Tuned: one send to each client carries what all that were ready
 * in this turn have sent. */
static void broadcast(void)
{
    for (size_t i = 0; pending_length > 0 && i < room_size; i++)
        if (!room[i]->leaving && !room[i]->excluded)
            offer(room[i], pending, pending_length);
    pending_length = 0;
}

static void remove_dead(void)
{
    for (size_t i = room_size; any_dead && i-- > 0;) {
        struct client *client = room[i];
        if (!client->dead)
            continue;
        room[i] = room[--room_size]; /* which has been checked already */
        if (client->deadline)
            TAILQ_REMOVE(&lingering, client, lingering);
        close(client->fd);
        free(client->unsent);
        free(client);
    }
    if (any_dead && retry_at)
        watch_listener(true); /* a descriptor is free again */
    any_dead = false;
}

static void accept_clients(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (room_size % BACKLOG == 0)
            room = realloc(room, (room_size + BACKLOG) * sizeof *room);
        struct client *client = calloc(1, sizeof *client);
        if (!room || !client)
            abort(); /* not even a few hundred bytes are left: nothing sensible to do */
        client->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        room[room_size++] = client;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            client->dead = any_dead = true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        watch_listener(false); /* it would stay ready, and the loop would spin */
}

static void watch_listener(bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_MOD, listener, &event);
    retry_at = on ? 0 : now_ms() + RETRY_MS;
}

/* How long to wait for events: until there is something else to do, or for ever (-1). */
static int timeout_ms(void)
{
    struct client *first = TAILQ_FIRST(&lingering);
    if (retry_at || !first)
        return retry_at ? RETRY_MS : -1;
    int64_t left = first->deadline - now_ms();
    return left > 0 ? (int)left : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* What every server in C has: the address, signals, main. */

static void listen_on(const char *address)
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
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct sockaddr_in6 bound; /* the port is at the same offset in both families */
    socklen_t size = sizeof bound;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0 || /* clients inherit it */
        bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&bound, &size) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(errno));
        exit(1);
    }
    freeaddrinfo(found);
    int length = (int)(strrchr(address, ':') - address);
    printf("listening on %.*s:%d\n", length, address, ntohs(bound.sin6_port));
    fflush(stdout);
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
    listen_on(count == 2 ? arguments[1] : "");
    run();
}
