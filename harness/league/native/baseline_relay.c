/* The null server: what the kernel alone allows a room of clients.
 *
 * Every chunk of bytes that any client sends goes to all clients, as it is: nothing is parsed, nothing is dropped,
 * and who does not read is waited for, nothing being read meanwhile. So it is no lawful server of anything: of two
 * clients that speak at once it may cut the messages into each other, and one that sleeps stops all. It shows how
 * many deliveries a second the sockets of this machine take when the server does nothing beside. */

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
    TICK = 64 * 1024, /* bytes read before they are sent */
    EVENTS = 256,
};

struct client {
    int fd;
    bool gone;
    size_t sent; /* bytes of this tick */
};

static int input, output, listener; /* two epolls: who has something to say, who owes us room in its buffer */
static struct client **room;
static size_t room_size, owing;
static unsigned char tick[TICK];
static size_t tick_length;
static bool someone_left;

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
        fail("accept"); /* with fewer clients than were asked for, the figure would be another one */
}

static void receive(struct client *client)
{
    if (tick_length == TICK)
        return; /* epoll tells of it again */
    ssize_t got = recv(client->fd, tick + tick_length, TICK - tick_length, 0);
    if (got > 0)
        tick_length += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        client->gone = someone_left = true;
}

/* Send what a client has not got yet of this tick; return whether that is all. */
static bool all_sent(struct client *client)
{
    ssize_t sent = send(client->fd, tick + client->sent, tick_length - client->sent, MSG_NOSIGNAL);
    if (sent > 0)
        client->sent += (size_t)sent;
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        client->gone = someone_left = true;
    return client->gone || client->sent == tick_length;
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
        owing++;
    }
    while (owing > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(output, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (all_sent(client)) {
                epoll_ctl(output, EPOLL_CTL_DEL, client->fd, NULL);
                owing--;
            }
        }
    }
    tick_length = 0;
}

static void forget_who_left(void)
{
    for (size_t i = room_size; i-- > 0;) {
        struct client *client = room[i];
        if (!client->gone)
            continue;
        close(client->fd);
        free(client);
        room[i] = room[--room_size];
    }
    someone_left = false;
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
        if (tick_length > 0)
            relay();
        if (someone_left)
            forget_who_left();
    }
}
