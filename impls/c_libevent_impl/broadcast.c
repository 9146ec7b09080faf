/* Broadcast on libevent: bufferevents, whose callbacks the event loop calls.
 *
 * Order: the callback for input appends its client's whole messages to the output buffers of all
 * clients before any other callback runs: that is the common order.
 * A slow client: libevent keeps its output buffer, and sends when the kernel has room. While that
 * holds more than LIMIT bytes, the client misses new messages. No client waits for another. */

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum {
    BACKLOG = 1024,
    LIMIT = 256 * 1024, /* a client with more unsent bytes misses new messages */
};
/* For a client that has closed its sending side to read what is unsent. */
static const struct timeval linger = {.tv_sec = 10};
/* How long to ignore the listener when no descriptor is left. */
static const struct timeval retry = {.tv_usec = 100 * 1000};

struct client {
    struct bufferevent *connection;
    LIST_ENTRY(client) link;
};

static struct event_base *base;
static LIST_HEAD(, client) room; /* all clients whose stream has not ended */

static void broadcast(const unsigned char *messages, size_t size);
static void offer(struct client *, const unsigned char *messages, size_t size);
static void sent(struct bufferevent *, void *client), failed(struct bufferevent *, short, void *);
static void close_client(struct client *);

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

/* Something has arrived. An unfinished message stays in the input buffer. */
static void serve(struct bufferevent *connection, void *client)
{
    (void)client;
    struct evbuffer *input = bufferevent_get_input(connection);
    const unsigned char *data = evbuffer_pullup(input, -1); /* all of it, in one piece */
    size_t whole = data ? whole_messages(data, evbuffer_get_length(input)) : 0;
    if (whole > 0)
        broadcast(data, whole);
    evbuffer_drain(input, whole);
}

/* The stream has ended, or there was an error. */
static void leave(struct bufferevent *connection, short what, void *argument)
{
    struct client *client = argument;
    if (what & BEV_EVENT_WRITING) { /* libevent writes no more; what the client has sent is still read */
        shutdown(bufferevent_getfd(connection), SHUT_RDWR);
        return;
    }
    LIST_REMOVE(client, link);
    int writes = bufferevent_get_enabled(connection) & EV_WRITE;
    if (what & BEV_EVENT_ERROR || !writes || evbuffer_get_length(bufferevent_get_output(connection)) == 0) {
        close_client(client);
        return;
    }
    /* Close when everything is sent, or when for some time the kernel has taken nothing. */
    bufferevent_setcb(connection, NULL, sent, failed, client);
    bufferevent_set_timeouts(connection, NULL, &linger);
}

static void sent(struct bufferevent *connection, void *client)
{
    (void)connection;
    close_client(client);
}

static void failed(struct bufferevent *connection, short what, void *client)
{
    (void)connection, (void)what;
    close_client(client);
}

static void close_client(struct client *client)
{
    bufferevent_free(client->connection); /* closes the socket as well */
    free(client);
}

static void broadcast(const unsigned char *messages, size_t size)
{
    struct client *client;
    LIST_FOREACH(client, &room, link)
        offer(client, messages, size);
}

/* Drop policy: a client gets all of the messages, or none of them if it is too far behind. They are
 * sent in the next turn of the loop, together with what other clients have sent until then. */
static void offer(struct client *client, const unsigned char *messages, size_t size)
{
    if (evbuffer_get_length(bufferevent_get_output(client->connection)) <= LIMIT)
        bufferevent_write(client->connection, messages, size);
}

static void accept_client(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *address, int size, void *argument)
{
    (void)listener, (void)address, (void)size, (void)argument;
    struct client *client = malloc(sizeof *client);
    struct bufferevent *connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!client || !connection)
        abort(); /* not even a few hundred bytes are left: nothing sensible to do */
    client->connection = connection;
    bufferevent_setcb(connection, serve, NULL, leave, client);
    if (bufferevent_enable(connection, EV_READ) < 0)
        close_client(client);
    else
        LIST_INSERT_HEAD(&room, client, link);
}

static void accept_again(evutil_socket_t fd, short what, void *listener)
{
    (void)fd, (void)what;
    evconnlistener_enable(listener);
}

/* No descriptor is left: the listener would stay ready, and the loop would spin. */
static void rest(struct evconnlistener *listener, void *argument)
{
    (void)argument;
    evconnlistener_disable(listener);
    event_base_once(base, -1, EV_TIMEOUT, accept_again, listener, &retry);
}

/* What every server in C has: the address, signals, main. */

static void listen_on(const char *address)
{
    char host[256], port[6];
    int end = 0;
    int parsed = sscanf(address, "[%255[^]]]:%5[0-9]%n", host, port, &end) == 2 ||
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
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, accept_client, NULL, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
        found->ai_addr, (int)found->ai_addrlen);
    if (!listener) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(errno));
        exit(1);
    }
    freeaddrinfo(found);
    evconnlistener_set_error_cb(listener, rest);
    int yes = 1, fd = evconnlistener_get_fd(listener);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* clients inherit it */
    struct sockaddr_in6 bound; /* the port is at the same offset in both families */
    socklen_t size = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &size);
    int length = (int)(strrchr(address, ':') - address);
    printf("listening on %.*s:%d\n", length, address, ntohs(bound.sin6_port));
    fflush(stdout);
}

static void stop(evutil_socket_t number, short what, void *argument)
{
    (void)number, (void)what, (void)argument;
    event_base_loopbreak(base);
}

int main(int count, char **arguments)
{
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    event_add(evsignal_new(base, SIGINT, stop, NULL), NULL);
    event_add(evsignal_new(base, SIGTERM, stop, NULL), NULL);
    listen_on(count == 2 ? arguments[1] : "");
    event_base_dispatch(base);
}
