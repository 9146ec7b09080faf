/* Channels on epoll: one thread, one loop, no lock. JSON is read and written by jansson.
 *
 * Order: the line that is handled first has its replies and its message in the outboxes of all
 * subscribers before the next line is looked at. At the end of a turn of the loop every client gets
 * its outbox with one send.
 * A slow client: while its outbox holds more than LIMIT bytes, it misses new messages. Replies are
 * never dropped: while they make it twice as many, the client is not read. */

#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <search.h>
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
    CHUNK = 16 * 1024,  /* bytes per read: hundreds of requests, and small enough to be fair */
    LINE = 64 * 1024,   /* bytes of the longest request, including its line feed */
    LIMIT = 256 * 1024, /* a client with more unsent bytes misses new messages */
    EVENTS = 256,
    LINGER_MS = 10000, /* for a client that has left, or whose requests wait, to read what is unsent */
    RETRY_MS = 100, /* how long to ignore the listener when no descriptor is left */
};

struct subscription {
    struct client *client;
    struct channel *channel;
    LIST_ENTRY(subscription) of_client, of_channel;
};

struct channel {
    json_t *name; /* a string */
    LIST_HEAD(, subscription) subscribers;
};

struct client {
    int fd;
    uint32_t watched; /* the events that epoll reports for it */
    bool leaving;     /* its stream has ended: send what is unsent, then close */
    bool excluded;    /* nothing more can be sent to it */
    bool dead;        /* to be closed at the end of the turn */
    bool in_turn;     /* it is one of `touched` */
    LIST_ENTRY(client) touched;
    LIST_HEAD(, subscription) subscriptions;
    size_t line_length; /* of the unfinished line at the end of its input, or LINE: it is too long */
    char *line;
    char *outbox; /* [from, to) are still to send */
    size_t from, to, capacity;
    int64_t deadline; /* 0, or when to close it: it is no longer read, and one of `lingering` */
    TAILQ_ENTRY(client) lingering;
};

static int epoll, listener;
static int64_t retry_at; /* 0, or when to watch the listener again: no descriptor was left */
static void *channels; /* the tree of all channels that have subscribers */
static void *subscriptions; /* the tree of all of them, in which a repeated one is found */
/* Clients that have left, or whose requests wait; the first has the first deadline. */
static TAILQ_HEAD(, client) lingering = TAILQ_HEAD_INITIALIZER(lingering);
static LIST_HEAD(, client) touched; /* clients to write to, or to close, at the end of the turn */

static void serve(struct client *), handle(struct client *, const char *line, size_t size);
static void leave(struct client *), finish_turn(void), write_outbox(struct client *);
static void subscribe(struct client *, json_t *name);
static void publish(struct client *, json_t *name, json_t *message);
static void reply(struct client *, json_t *value), add(struct client *, const char *, size_t);
static void accept_clients(void), watch_listener(bool on), give_up(void);
static int timeout_ms(void);
static int64_t now_ms(void);

/* The event loop. A turn of it: serve every client that is ready, then write what there is. */
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
                write_outbox(client);
            if (client && events[i].events & ~(unsigned)EPOLLOUT)
                serve(client);
        }
        finish_turn();
    }
}

/* Remember that there is something to do for this client at the end of the turn. */
static void touch(struct client *client)
{
    if (!client->in_turn)
        LIST_INSERT_HEAD(&touched, client, touched);
    client->in_turn = true;
}

static void kill_client(struct client *client)
{
    client->dead = true;
    touch(client);
}

/* Keep these bytes of an unfinished line; of one that is too long, only as many as show that. */
static void keep(struct client *client, const char *data, size_t size)
{
    if (size > LINE - client->line_length)
        size = LINE - client->line_length;
    client->line = realloc(client->line, client->line_length + size + 1);
    if (!client->line)
        abort(); /* nothing sensible is left to do */
    memcpy(client->line + client->line_length, data, size);
    client->line_length += size;
}

static void serve(struct client *client)
{
    static char data[CHUNK];
    if (client->leaving) /* it no longer waits for input, so this is an error */
        kill_client(client);
    if (client->dead)
        return;
    ssize_t got = recv(client->fd, data, CHUNK, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            leave(client);
        return;
    }
    for (const char *from = data, *end = data + got; from < end;) {
        const char *feed = memchr(from, '\n', (size_t)(end - from)), *to = feed ? feed : end;
        keep(client, from, (size_t)(to - from));
        from = to + 1;
        if (feed) {
            handle(client, client->line, client->line_length);
            client->line_length = 0;
        }
    }
    if (client->line_length == 0) { /* an idle client holds no memory */
        free(client->line);
        client->line = NULL;
    }
}

/* Carry out the request in a line, or reply why not. jansson rejects what is no UTF-8. */
static void handle(struct client *client, const char *line, size_t size)
{
    json_t *request = size < LINE ? json_loadb(line, size, JSON_ALLOW_NUL, NULL) : NULL;
    bool is_single = json_object_size(request) == 1;
    json_t *subscribed = json_object_get(request, "Subscribe");
    json_t *sent = json_object_get(request, "Send");
    json_t *name = json_object_get(sent, "channel"), *message = json_object_get(sent, "message");
    if (is_single && json_is_string(subscribed))
        subscribe(client, subscribed);
    else if (is_single && json_is_string(name) && json_is_string(message))
        publish(client, name, message);
    else
        reply(client, json_pack("{ss}", "Error", "no such request"));
    json_decref(request);
}

static int compare(const void *left, const void *right)
{
    const json_t *a = ((const struct channel *)left)->name, *b = ((const struct channel *)right)->name;
    size_t size = json_string_length(a), other = json_string_length(b);
    if (size != other)
        return size < other ? -1 : 1;
    return memcmp(json_string_value(a), json_string_value(b), size);
}

static struct channel *find_channel(json_t *name)
{
    struct channel key = {.name = name}, **found = tfind(&key, &channels, compare);
    return found ? *found : NULL;
}

static int compare_subscriptions(const void *left, const void *right)
{
    const struct subscription *a = left, *b = right;
    if (a->client != b->client)
        return (uintptr_t)a->client < (uintptr_t)b->client ? -1 : 1;
    if (a->channel != b->channel)
        return (uintptr_t)a->channel < (uintptr_t)b->channel ? -1 : 1;
    return 0;
}

static void subscribe(struct client *client, json_t *name)
{
    reply(client, json_pack("{sO}", "Subscribed", name));
    struct channel *channel = find_channel(name);
    if (!channel) {
        channel = calloc(1, sizeof *channel);
        if (!channel)
            abort();
        channel->name = json_incref(name);
        if (!tsearch(channel, &channels, compare))
            abort();
    }
    struct subscription wanted = {.client = client, .channel = channel};
    if (tfind(&wanted, &subscriptions, compare_subscriptions))
        return;
    struct subscription *subscription = malloc(sizeof *subscription);
    if (!subscription)
        abort();
    *subscription = wanted;
    if (!tsearch(subscription, &subscriptions, compare_subscriptions))
        abort();
    LIST_INSERT_HEAD(&client->subscriptions, subscription, of_client);
    LIST_INSERT_HEAD(&channel->subscribers, subscription, of_channel);
}

/* Drop policy: a subscriber that is too far behind misses the message. */
static void publish(struct client *client, json_t *name, json_t *message)
{
    struct channel *channel = find_channel(name);
    if (!channel) {
        reply(client, json_pack("{ss}", "Error", "no such channel"));
        return;
    }
    json_t *value = json_pack("{s{sOsO}}", "Message", "channel", name, "message", message);
    char *line = json_dumps(value, JSON_COMPACT);
    size_t size = strlen(line);
    line[size] = '\n'; /* in place of the NUL */
    struct subscription *subscription;
    LIST_FOREACH(subscription, &channel->subscribers, of_channel)
        if (subscription->client->to - subscription->client->from <= LIMIT)
            add(subscription->client, line, size + 1);
    free(line);
    json_decref(value);
}

static void reply(struct client *client, json_t *value)
{
    char *line = json_dumps(value, JSON_COMPACT);
    size_t size = strlen(line);
    line[size] = '\n';
    add(client, line, size + 1);
    free(line);
    json_decref(value);
}

static void add(struct client *client, const char *line, size_t size)
{
    if (client->excluded)
        return;
    if (client->from > 0 && client->to + size > client->capacity) {
        memmove(client->outbox, client->outbox + client->from, client->to - client->from);
        client->to -= client->from;
        client->from = 0;
    }
    if (client->to + size > client->capacity) {
        client->capacity = 2 * (client->to + size);
        client->outbox = realloc(client->outbox, client->capacity);
        if (!client->outbox)
            abort();
    }
    memcpy(client->outbox + client->to, line, size);
    client->to += size;
    touch(client);
}

/* Forget the client's subscriptions, and the channels that have no other subscriber. */
static void unsubscribe(struct client *client)
{
    while (!LIST_EMPTY(&client->subscriptions)) {
        struct subscription *subscription = LIST_FIRST(&client->subscriptions);
        struct channel *channel = subscription->channel;
        LIST_REMOVE(subscription, of_client);
        LIST_REMOVE(subscription, of_channel);
        tdelete(subscription, &subscriptions, compare_subscriptions);
        free(subscription);
        if (LIST_EMPTY(&channel->subscribers)) {
            tdelete(channel, &channels, compare);
            json_decref(channel->name);
            free(channel);
        }
    }
}

static void leave(struct client *client)
{
    unsubscribe(client);
    client->leaving = true;
    touch(client);
}

static void set_deadline(struct client *client, bool on)
{
    if (client->deadline)
        TAILQ_REMOVE(&lingering, client, lingering);
    if (on)
        TAILQ_INSERT_TAIL(&lingering, client, lingering);
    client->deadline = on ? now_ms() + LINGER_MS : 0;
}

/* Send what the kernel takes now, and watch for what can be done next. */
static void write_outbox(struct client *client)
{
    if (client->from < client->to && !client->dead) {
        ssize_t sent = send(client->fd, client->outbox + client->from, client->to - client->from, MSG_NOSIGNAL);
        if (sent >= 0)
            client->from += (size_t)sent;
        else if (errno != EAGAIN && errno != EINTR) {
            client->excluded = true;
            client->from = client->to;
            shutdown(client->fd, SHUT_RDWR); /* what it has sent is still read, to the end that this makes */
        }
    }
    size_t unsent = client->to - client->from;
    if (unsent == 0) {
        free(client->outbox);
        client->outbox = NULL;
        client->from = client->to = client->capacity = 0;
        if (client->leaving)
            kill_client(client);
    }
    uint32_t events = (unsent > 0 ? EPOLLOUT : 0) | (client->leaving || unsent > 2 * LIMIT ? 0 : EPOLLIN);
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (events != client->watched && !client->dead) {
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
        set_deadline(client, !(events & EPOLLIN)); /* its end may be behind its requests */
    }
    client->watched = events;
}

/* Close the clients whose deadline has passed. */
static void give_up(void)
{
    struct client *client = TAILQ_FIRST(&lingering);
    for (; client && client->deadline <= now_ms(); client = TAILQ_NEXT(client, lingering))
        kill_client(client);
}

/* Write to all clients for which there is something, and close those that are dead. */
static void finish_turn(void)
{
    while (!LIST_EMPTY(&touched)) {
        struct client *client = LIST_FIRST(&touched);
        write_outbox(client);
        LIST_REMOVE(client, touched);
        client->in_turn = false;
        if (!client->dead)
            continue;
        unsubscribe(client);
        set_deadline(client, false);
        close(client->fd); /* not earlier: a later event of the turn may be for this client */
        free(client->line);
        free(client->outbox);
        free(client);
        if (retry_at)
            watch_listener(true); /* a descriptor is free again */
    }
}

static void accept_clients(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = calloc(1, sizeof *client);
        if (!client)
            abort();
        client->fd = fd;
        client->watched = EPOLLIN;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            kill_client(client);
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
        fputs("usage: channels HOST:PORT (IPv6: [HOST]:PORT)\n", stderr);
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
