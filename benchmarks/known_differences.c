/* A server whose slow-down is known: SLOW_DOWN=0.05 makes each delivery take 1.05 times as long.
 *
 * A delivery takes a fixed number of turns of a loop of multiplications. What the delivery itself costs (system calls,
 * waking up the client) is taken off: its processor time is turned into turns at the speed at which the loop ran last.
 * So the deliveries a second follow the speed of the machine, as those of any server do, and not the cost of system
 * calls, which is another one when the load is more often asleep. A server that slows down its own work by a factor
 * has that cost in its slow-down: 10 % became 12 %.
 * A client that does not read misses whole messages.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 4096, MESSAGE = 256, CHUNK = 8192, EVENTS = 64 };
enum {
    TURNS = 24000,      /* for a delivery: about 30 microseconds, many times what it costs itself */
    BEHIND = 100000000, /* turns: deliveries cost more than TURNS for 0.1 s and more */
};

struct client {
    int used;
    size_t unread, unsent; /* bytes of an unfinished message that came in, and of one that is not sent completely */
    unsigned char in[CHUNK + MESSAGE], out[MESSAGE];
};

static struct client *clients[CLIENTS];
static int highest, epoll;

static double processor_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static double slow_down;
static double worked_since; /* processor time when the last message had been dealt with */

static void turn(long turns) {
    volatile unsigned long result;
    unsigned long product = 1;
    for (long number = 0; number < turns; number++)
        product = product * 6364136223846793005UL + 1442695040888963407UL; /* each needs the one before */
    result = product;
    (void)result;
}

/* Spend what is left of the turns of so many deliveries. */
static void burn(int deliveries) {
    static double owed, turns_per_second = 5e8;
    double now = processor_time();
    owed += deliveries * TURNS * (1 + slow_down) - (now - worked_since) * turns_per_second;
    worked_since = now;
    if (owed < -BEHIND) {
        fprintf(stderr, "deliveries cost more than the turns that they are to take\n");
        exit(1);
    }
    if (owed < 1)
        return;
    turn((long)owed);
    worked_since = processor_time();
    if (worked_since > now)
        turns_per_second += 0.02 * (floor(owed) / (worked_since - now) - turns_per_second);
    owed -= floor(owed);
}

static void watch(int fd, int operation, int is_blocked) {
    struct epoll_event event = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0), .data.fd = fd};
    epoll_ctl(epoll, operation, fd, &event);
}

static void leave(int fd) {
    clients[fd]->used = 0;
    close(fd);
}

static void deliver(int fd, const unsigned char *message, size_t length) {
    struct client *client = clients[fd];
    if (client->unsent)
        return; /* it misses this message */
    ssize_t sent = send(fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0 && (size_t)sent < length) {
        client->unsent = length - (size_t)sent;
        memcpy(client->out, message + sent, client->unsent);
        watch(fd, EPOLL_CTL_MOD, 1);
    }
}

static void flush(int fd) {
    struct client *client = clients[fd];
    ssize_t sent = send(fd, client->out, client->unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        client->unsent -= (size_t)sent;
        memmove(client->out, client->out + sent, client->unsent);
    }
    if (!client->unsent)
        watch(fd, EPOLL_CTL_MOD, 0);
}

static void receive(int fd) {
    struct client *client = clients[fd];
    ssize_t count = recv(fd, client->in + client->unread, CHUNK, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        leave(fd);
        return;
    }
    size_t end = client->unread + (size_t)count, at = 0;
    while (at < end && at + 1 + client->in[at] <= end) {
        size_t length = 1 + (size_t)client->in[at];
        int deliveries = 0;
        for (int other = 0; other <= highest; other++)
            if (clients[other] && clients[other]->used) {
                deliver(other, client->in + at, length);
                deliveries++;
            }
        at += length;
        burn(deliveries);
    }
    client->unread = end - at;
    memmove(client->in, client->in + at, client->unread);
}

static void join(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0)
        return;
    if (fd >= CLIENTS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!clients[fd])
        clients[fd] = malloc(sizeof **clients);
    clients[fd]->used = 1;
    clients[fd]->unread = clients[fd]->unsent = 0;
    highest = fd > highest ? fd : highest;
    watch(fd, EPOLL_CTL_ADD, 0);
    worked_since = processor_time(); /* joining is no part of a delivery */
}

int main(int count, char **arguments) {
    const char *word = getenv("SLOW_DOWN");
    slow_down = word ? atof(word) : 0;
    char *colon = count == 2 ? strrchr(arguments[1], ':') : NULL;
    if (!colon)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1))};
    *colon = 0;
    inet_pton(AF_INET, arguments[1], &address.sin_addr);
    *colon = ':';
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        return 1;
    epoll = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, 0);
    printf("listening on %s\n", arguments[1]);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int number = 0; number < ready; number++) {
            int fd = events[number].data.fd;
            if (fd == listener) {
                join(listener);
                continue;
            }
            if (events[number].events & EPOLLOUT)
                flush(fd);
            if (clients[fd]->used && events[number].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(fd);
        }
    }
}
