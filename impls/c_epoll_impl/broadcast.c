/* Broadcast on epoll: one thread, one loop, no lock.
 *
 * Order: a tick of the loop reads from every client that has something to say, straight into
 * one buffer, `tick`; at its end the whole messages gathered there go to everybody with one
 * send each. Where a message stands in that buffer is its place in the common order.
 * A slow client: what the kernel does not take is kept for it, in a buffer that exists only
 * while it is needed; while that holds more than LIMIT bytes, the client misses new batches,
 * always as whole messages. Nobody waits for anybody. */

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    CHUNK = 64 * 1024,          /* bytes a read */
    LIMIT = 256 * 1024,         /* bytes unsent beyond which a client misses what is new */
    MESSAGE = 256,              /* bytes of the longest message, its header included */
    TICK = 2 * CHUNK + MESSAGE, /* bytes that a tick gathers at most before they are sent */
    EVENTS = 256,
    RETRY_MS = 100, /* how long to leave the listener alone when no descriptor is left */
};

struct client {
    int fd;
    bool leaving;                 /* its stream has ended: send what is unsent, then close */
    bool dead;                    /* to be closed at the end of the tick */
    size_t rest_length;           /* the unfinished message at the end of what it sent: */
    unsigned char rest[MESSAGE];
    unsigned char *unsent;        /* NULL, or LIMIT + TICK bytes, of which [from, to) are left */
    size_t from, to;
};

static int epoll, listener;
static bool accepting = true;
static struct client **room; /* everybody */
static size_t room_size;
static bool someone_died;
static unsigned char tick[TICK];
static size_t tick_length;

static void listen_on(const char *address), watch_listener(bool on), accept_clients(void);
static void serve(struct client *), leave(struct client *), flush(struct client *);
static void broadcast(void), bury_the_dead(void);

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
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, accepting ? -1 : RETRY_MS);
        if (ready == 0)
            watch_listener(true);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client)
                accept_clients();
            else if (events[i].events & EPOLLOUT)
                flush(client);
            if (client && events[i].events & ~(unsigned)EPOLLOUT)
                serve(client);
        }
        broadcast();
        bury_the_dead(); /* not earlier: an event later in the list may have been for one */
    }
}

static void accept_clients(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (room_size % BACKLOG == 0)
            room = realloc(room, (room_size + BACKLOG) * sizeof *room);
        struct client *client = calloc(1, sizeof *client);
        if (!room || !client)
            abort(); /* a few hundred bytes are not to be had: nothing sensible is left to do */
        client->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        room[room_size++] = client;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            client->dead = someone_died = true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        watch_listener(false); /* it would stay ready and spin the loop */
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
    if (client->leaving) /* no input is wanted any more, so this is a reset */
        client->dead = someone_died = true;
    if (client->dead)
        return;
    if (tick_length + MESSAGE + CHUNK > TICK)
        broadcast();
    unsigned char *start = tick + tick_length;
    memcpy(start, client->rest, client->rest_length);
    ssize_t got = recv(client->fd, start + client->rest_length, CHUNK, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            leave(client);
        return;
    }
    size_t size = client->rest_length + (size_t)got, whole = whole_messages(start, size);
    tick_length += whole; /* the messages are where they belong already */
    client->rest_length = size - whole;
    memcpy(client->rest, start + whole, client->rest_length);
}

/* Tell epoll what is wanted of this client; called only when that has changed. */
static void watch(struct client *client)
{
    struct epoll_event event = {.data.ptr = client};
    event.events = (client->leaving ? 0 : EPOLLIN) | (client->unsent ? EPOLLOUT : 0);
    epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void leave(struct client *client)
{
    broadcast(); /* who hangs up right after speaking still hears it */
    client->leaving = true;
    if (client->unsent)
        watch(client);
    else
        client->dead = someone_died = true;
}

/* As many bytes as the kernel takes now. */
static size_t send_some(struct client *client, const unsigned char *data, size_t size)
{
    ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        client->dead = someone_died = true;
    return sent < 0 ? 0 : (size_t)sent;
}

static void flush(struct client *client)
{
    if (client->dead || !client->unsent)
        return;
    client->from += send_some(client, client->unsent + client->from, client->to - client->from);
    if (client->from < client->to)
        return;
    free(client->unsent);
    client->unsent = NULL;
    watch(client);
    if (client->leaving)
        client->dead = someone_died = true;
}

/* Drop policy: all of the batch, or none of it for a client that is too far behind. */
static void offer(struct client *client, const unsigned char *batch, size_t size)
{
    if (!client->unsent) {
        size_t sent = send_some(client, batch, size);
        if (sent == size || client->dead)
            return;
        client->unsent = malloc(LIMIT + TICK);
        if (!client->unsent) {
            client->dead = someone_died = true; /* a message may be cut: the stream is void */
            return;
        }
        client->from = client->to = 0;
        batch += sent;
        size -= sent;
        watch(client);
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

/* Hand over what this tick has gathered: one send a client, however many spoke. */
static void broadcast(void)
{
    for (size_t i = 0; tick_length > 0 && i < room_size; i++)
        if (!room[i]->leaving && !room[i]->dead)
            offer(room[i], tick, tick_length);
    tick_length = 0;
}

static void bury_the_dead(void)
{
    for (size_t i = room_size; someone_died && i-- > 0;) {
        struct client *client = room[i];
        if (!client->dead)
            continue;
        room[i] = room[--room_size]; /* which has been looked at already */
        close(client->fd);
        free(client->unsent);
        free(client);
    }
    if (someone_died && !accepting)
        watch_listener(true); /* there is a descriptor again */
    someone_died = false;
}

static void watch_listener(bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_MOD, listener, &event);
    accepting = on;
}

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
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, gai_strerror(problem));
        exit(1);
    }
    int yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct sockaddr_in6 bound; /* the port stands at the same place in both families */
    socklen_t size = sizeof bound;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* clients inherit it */
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0 ||
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
