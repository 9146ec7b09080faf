/* Broadcast on io_uring: one thread that submits many requests to the kernel at once, and handles
 * their completions.
 *
 * Order: a turn of the loop handles all that the kernel has read in the meantime, in the order of
 * its completions; the whole messages are collected in one buffer, `pending`, and go to all clients
 * with one send each, all submitted in one system call. That is the common order.
 * A slow client: it has one send in flight; messages sent meanwhile are collected in its outbox.
 * While both together are more than LIMIT bytes, the client misses new batches, always as whole
 * messages. No client waits for another. */

#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    REQUESTS = 1024,    /* entries of the submission ring; a full ring is submitted at once */
    RESULTS = 16384,    /* entries of the completion ring: one send each to very many clients */
    BUFFERS = 128,      /* for the kernel to read into, shared by all clients */
    BUFFER = 1024,      /* bytes of each buffer; all of them bound what a turn can collect */
    LIMIT = 256 * 1024, /* a client with more unsent bytes misses new batches */
    MESSAGE = 256,      /* bytes of the longest message, including its header */
    MAX_PENDING = BUFFERS * BUFFER + MESSAGE,
    LINGER_MS = 10000, /* for a client that has closed its sending side to read what is unsent */
    RETRY_MS = 100, /* how long to ignore the listener when no descriptor is left */
};

/* The kind of a request, in the low bits of its client's address; ACCEPTED, WAITED have none. */
enum { RECEIVED, SENT, ACCEPTED, WAITED, KIND = 3 };

struct batch {
    unsigned holders; /* sends in flight */
    size_t size;
    unsigned char data[];
};

struct client {
    int fd;
    bool excluded;         /* it gets no new batches */
    bool leaving;          /* its stream has ended: send what is unsent, then close */
    size_t place;          /* index in the room */
    struct batch *sending; /* NULL, or the batch in flight */
    struct batch *outbox;  /* NULL, or what follows; it holds LIMIT + MAX_PENDING bytes */
    size_t rest_length;    /* of the unfinished message at the end of its input: */
    unsigned char rest[MESSAGE];
    int64_t deadline; /* 0, or when to shut it down: it is leaving, and one of `lingering` */
    TAILQ_ENTRY(client) lingering;
};

static struct io_uring ring;
static unsigned char buffers[BUFFERS][BUFFER];
static _Alignas(4096) union {
    struct io_uring_buf_ring ring;
    struct io_uring_buf slots[BUFFERS];
} shelf; /* the buffers that the kernel may use */
static int listener;
static struct client **room; /* all clients */
static size_t room_size;
/* Clients that are leaving with something unsent; the first has the first deadline. */
static TAILQ_HEAD(, client) lingering = TAILQ_HEAD_INITIALIZER(lingering);
static unsigned char pending[MAX_PENDING]; /* whole messages, collected in this turn of the loop */
static size_t pending_length;

static void finish(struct io_uring_cqe *), receive(struct client *);
static void leave(struct client *), remove_client(struct client *);
static void serve(struct client *, const unsigned char *, size_t), sent(struct client *, int);
static void broadcast(void), offer(struct client *, struct batch *);
static void accept_clients(void), accept_later(void), join(int fd), give_back(unsigned buffer);
static void give_up(void);
static struct __kernel_timespec *timeout(void);
static int64_t now_ms(void);

/* The event loop. A turn of it: handle all that the kernel has done, then send what has arrived. Tuned:
 * what a turn has requested, and the wait for its results, are one system call. */
static void run(void)
{
    for (;;) {
        struct io_uring_cqe *result;
        unsigned head, results = 0;
        io_uring_submit_and_wait_timeout(&ring, &result, 1, timeout(), NULL);
        io_uring_for_each_cqe(&ring, head, result)
        {
            finish(result);
            results++;
        }
        io_uring_cq_advance(&ring, results);
        broadcast();
        give_up();
    }
}

static void finish(struct io_uring_cqe *result)
{
    struct client *client = (struct client *)(uintptr_t)(result->user_data & ~(uint64_t)KIND);
    bool last =
        !(result->flags & IORING_CQE_F_MORE); /* this request produces no more results */
    switch (result->user_data & KIND) {
    case ACCEPTED:
        if (result->res >= 0)
            join(result->res);
        if (last && result->res >= 0)
            accept_clients();
        else if (last)
            accept_later();
        break;
    case WAITED:
        accept_clients();
        break;
    case SENT:
        sent(client, result->res);
        break;
    case RECEIVED:
        if (result->flags & IORING_CQE_F_BUFFER) {
            unsigned buffer = result->flags >> IORING_CQE_BUFFER_SHIFT;
            serve(client, buffers[buffer], result->res > 0 ? (size_t)result->res : 0);
            give_back(buffer);
        }
        if (result->res <= 0 && result->res != -ENOBUFS)
            leave(client); /* a reset is an end too */
        else if (last)
            receive(client); /* all buffers were in use */
    }
}

/* A request to fill in; it is submitted at the end of the turn, or when the ring is full. */
static struct io_uring_sqe *request(void)
{
    struct io_uring_sqe *request;
    while (!(request = io_uring_get_sqe(&ring)))
        io_uring_submit(&ring);
    return request;
}

/* One request for all input of a client; the kernel takes a buffer when some arrives. */
static void receive(struct client *client)
{
    struct io_uring_sqe *receive = request();
    io_uring_prep_recv_multishot(receive, client->fd, NULL, 0, 0);
    receive->flags |= IOSQE_BUFFER_SELECT;
    io_uring_sqe_set_data64(receive, (uintptr_t)client | RECEIVED);
}

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

static void serve(struct client *client, const unsigned char *data, size_t got)
{
    if (pending_length + MESSAGE + got > MAX_PENDING)
        broadcast();
    unsigned char *start = pending + pending_length;
    memcpy(start, client->rest, client->rest_length);
    memcpy(start + client->rest_length, data, got);
    size_t size = client->rest_length + got, whole = whole_messages(start, size);
    pending_length += whole;
    client->rest_length = size - whole;
    memcpy(client->rest, start + whole, client->rest_length);
}

static void leave(struct client *client)
{
    broadcast(); /* a leaving client still receives its own last messages */
    client->excluded = client->leaving = true;
    if (client->sending) {
        client->deadline = now_ms() + LINGER_MS; /* it may never read */
        TAILQ_INSERT_TAIL(&lingering, client, lingering);
    } else
        remove_client(client);
}

/* Shut down each client whose deadline has passed: its send in flight fails, which removes it. */
static void give_up(void)
{
    struct client *first;
    while ((first = TAILQ_FIRST(&lingering)) && first->deadline <= now_ms()) {
        TAILQ_REMOVE(&lingering, first, lingering);
        first->deadline = 0;
        shutdown(first->fd, SHUT_RDWR);
    }
}

/* How long to wait for results: until the first deadline, or for ever (NULL). */
static struct __kernel_timespec *timeout(void)
{
    static struct __kernel_timespec timeout;
    struct client *first = TAILQ_FIRST(&lingering);
    if (!first)
        return NULL;
    int64_t left = first->deadline - now_ms();
    timeout.tv_sec = left > 0 ? left / 1000 : 0;
    timeout.tv_nsec = left > 0 ? left % 1000 * 1000000 : 0;
    return &timeout;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void remove_client(struct client *client)
{
    room[client->place] = room[--room_size];
    room[client->place]->place = client->place;
    if (client->deadline)
        TAILQ_REMOVE(&lingering, client, lingering);
    close(client->fd);
    free(client);
}

/* Send a batch to a client; the request completes only when all of it is sent. */
static void transmit(struct client *client, struct batch *batch)
{
    struct io_uring_sqe *send = request();
    io_uring_prep_send(send, client->fd, batch->data, batch->size, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(send, (uintptr_t)client | SENT);
    client->sending = batch;
    batch->holders++;
}

static void release(struct batch *batch)
{
    if (--batch->holders == 0)
        free(batch);
}

static void sent(struct client *client, int result)
{
    struct batch *next = client->outbox;
    if (result != (int)client->sending->size) {
        client->excluded = true;
        shutdown(client->fd, SHUT_RDWR); /* what it has sent is still read, to the end that this makes */
        free(next);
        next = NULL;
    }
    release(client->sending);
    client->sending = client->outbox = NULL;
    if (next)
        transmit(client, next);
    else if (client->leaving)
        remove_client(client);
}

/* Offer what is pending as one batch. Tuned: one send to each client carries what all clients have sent
 * in this turn. */
static void broadcast(void)
{
    if (pending_length == 0)
        return;
    struct batch *batch = malloc(sizeof *batch + pending_length);
    if (!batch)
        abort();
    batch->holders = 1; /* this function */
    batch->size = pending_length;
    memcpy(batch->data, pending, pending_length);
    pending_length = 0;
    for (size_t i = 0; i < room_size; i++)
        if (!room[i]->excluded)
            offer(room[i], batch);
    release(batch);
}

/* Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
static void offer(struct client *client, struct batch *batch)
{
    if (!client->sending) {
        transmit(client, batch);
        return;
    }
    if (client->sending->size + (client->outbox ? client->outbox->size : 0) > LIMIT)
        return;
    if (!client->outbox) {
        client->outbox = malloc(sizeof *batch + LIMIT + MAX_PENDING);
        if (!client->outbox)
            return;
        client->outbox->holders = 0;
        client->outbox->size = 0;
    }
    memcpy(client->outbox->data + client->outbox->size, batch->data, batch->size);
    client->outbox->size += batch->size;
}

/* One request for all connections to come, until one fails. */
static void accept_clients(void)
{
    struct io_uring_sqe *accept = request();
    io_uring_prep_multishot_accept(accept, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(accept, ACCEPTED);
}

static void accept_later(void)
{
    static struct __kernel_timespec a_while = {.tv_nsec = RETRY_MS * 1000000};
    struct io_uring_sqe *timeout = request();
    io_uring_prep_timeout(timeout, &a_while, 0, 0);
    io_uring_sqe_set_data64(timeout, WAITED);
}

static void join(int fd)
{
    if (room_size % BACKLOG == 0)
        room = realloc(room, (room_size + BACKLOG) * sizeof *room);
    struct client *client = calloc(1, sizeof *client);
    if (!room || !client)
        abort(); /* not even a few hundred bytes are left: nothing sensible to do */
    client->fd = fd;
    client->place = room_size;
    room[room_size++] = client;
    receive(client);
}

/* The ring, and what every server in C has: the address, signals, main. */

static void start_ring(void)
{
    /* The kernel does its part of the work only when it is asked for results: no turn is
     * interrupted, and none collects more than fits into the buffers that are free at its start. */
    struct io_uring_params how = {.cq_entries = RESULTS};
    how.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    int problem = io_uring_queue_init_params(REQUESTS, &ring, &how);
    if (problem == 0) {
        struct io_uring_buf_reg where = {.ring_addr = (uintptr_t)&shelf, .ring_entries = BUFFERS};
        problem = io_uring_register_buf_ring(&ring, &where, 0);
    }
    if (problem) {
        fprintf(stderr, "cannot use io_uring: %s\n", strerror(-problem));
        exit(1);
    }
    for (unsigned i = 0; i < BUFFERS; i++)
        give_back(i);
}

/* Let the kernel read into this buffer again. */
static void give_back(unsigned buffer)
{
    int mask = io_uring_buf_ring_mask(BUFFERS);
    io_uring_buf_ring_add(&shelf.ring, buffers[buffer], BUFFER, (unsigned short)buffer, mask, 0);
    io_uring_buf_ring_advance(&shelf.ring, 1);
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
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
}

static void stop(int signal_number)
{
    (void)signal_number;
    shutdown(listener, SHUT_RDWR); /* frees the address at once: the ring outlives the process */
    _exit(0); /* nothing needs saving, and the kernel closes every connection */
}

int main(int count, char **arguments)
{
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    start_ring();
    listen_on(count == 2 ? arguments[1] : "");
    accept_clients();
    run();
}
