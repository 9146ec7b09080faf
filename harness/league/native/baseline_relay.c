/* The baseline relay: how many deliveries a second the kernel alone allows a room of clients.
 *
 * Every chunk of bytes from a client is sent to all clients unchanged: nothing is parsed, nothing is dropped, and a
 * client that does not read makes the relay wait and read nothing meanwhile. So the relay conforms to no spec: it may
 * cut the messages of two concurrent senders into each other, and one stalled client stops all. It shows how many
 * deliveries a second the sockets of this machine take when the server itself does nothing. */

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
    BACKLOG = 4096,
    PENDING_BYTES = 64 * 1024, /* the most that is read before it is sent */
    EVENTS = 256,
};

struct client {
    int fd;
    bool gone;
    size_t sent; /* of the pending bytes */
};

static int input, output, listener; /* two epolls: clients with bytes to read, and clients whose buffer is full */
static struct client **room;
static size_t room_size, waiting_count;
static unsigned char pending[PENDING_BYTES];
static size_t pending_length;
static bool any_gone;

static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void accept_clients(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = calloc(1, sizeof *client);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (room_size % BACKLOG == 0)
            room = realloc(room, (room_size + BACKLOG) * sizeof *room);
        if (!room || !client || epoll_ctl(input, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("a client");
        client->fd = fd;
        room[room_size++] = client;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        fail("accept"); /* with fewer clients the figure would mean something else */
}

static void receive(struct client *client)
{
    if (pending_length == PENDING_BYTES)
        return; /* epoll reports it again */
    ssize_t got = recv(client->fd, pending + pending_length, PENDING_BYTES - pending_length, 0);
    if (got > 0)
        pending_length += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        client->gone = any_gone = true;
}

/* Send a client the rest of the pending bytes; return whether it has them all, or is gone. */
static bool all_sent(struct client *client)
{
    ssize_t sent = send(client->fd, pending + client->sent, pending_length - client->sent, MSG_NOSIGNAL);
    if (sent > 0)
        client->sent += (size_t)sent;
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        client->gone = any_gone = true;
    return client->gone || client->sent == pending_length;
}

static void relay(void)
{
    for (size_t i = 0; i < room_size; i++) {
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = room[i]};
        room[i]->sent = 0;
        if (room[i]->gone || all_sent(room[i]))
            continue;
        if (epoll_ctl(output, EPOLL_CTL_ADD, room[i]->fd, &event) < 0)
            fail("epoll_ctl");
        waiting_count++;
    }
    while (waiting_count > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(output, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (all_sent(client)) {
                epoll_ctl(output, EPOLL_CTL_DEL, client->fd, NULL);
                waiting_count--;
            }
        }
    }
    pending_length = 0;
}

static void remove_gone_clients(void)
{
    for (size_t i = room_size; i-- > 0;) {
        struct client *client = room[i];
        if (!client->gone)
            continue;
        close(client->fd);
        free(client);
        room[i] = room[--room_size];
    }
    any_gone = false;
}

static void listen_on(const char *address)
{
    char host[256], port[6];
    int end = 0, yes = 1;
    bool parsed = sscanf(address, "[%255[^]]]:%5[0-9]%n", host, port, &end) == 2 ||
                  sscanf(address, "%255[^][:]:%5[0-9]%n", host, port, &end) == 2;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    if (!parsed || address[end] != '\0' || getaddrinfo(host, port, &hints, &found)) {
        fprintf(stderr, "not an address: %s\n", address);
        exit(2);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    input = epoll_create1(EPOLL_CLOEXEC);
    output = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* clients inherit it */
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0 ||
        epoll_ctl(input, EPOLL_CTL_ADD, listener, &event) < 0)
        fail(address);
    freeaddrinfo(found);
    printf("listening on %s\n", address);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    listen_on(count == 2 ? arguments[1] : "");
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(input, events, EVENTS, -1);
        for (int i = 0; i < ready; i++)
            if (events[i].data.ptr)
                receive(events[i].data.ptr);
            else
                accept_clients();
        if (pending_length > 0)
            relay();
        if (any_gone)
            remove_gone_clients();
    }
}
