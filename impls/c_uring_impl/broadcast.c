/* Broadcast on io_uring: one thread that asks the kernel for much at once, and is told what is
 * done.
 *
 * Order: a turn of the loop takes all that the kernel has read in the meantime, in the order in
 * which it is told; the whole messages gather in one buffer, `tick`, and go to everybody with one
 * send each, all of them asked for with one system call. That is the common order.
 * A slow client: it has one send on its way; what is said meanwhile gathers in its outbox. While
 * that holds more than LIMIT bytes, the client misses new batches, always as whole messages.
 * Nobody waits for anybody. */

#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    REQUESTS = 1024, /* to the kernel that may stand in the ring before they must be submitted */
    RESULTS = 16384, /* that may stand in the other: a send each to very many clients */
    BUFFERS = 128,   /* that the kernel may read into, for whichever client has something to say: */
    BUFFER = 1024,   /* bytes of each; so a turn gathers no more than all of them hold */
    LIMIT = 256 * 1024, /* bytes unsent beyond which a client misses what is new */
    MESSAGE = 256,      /* bytes of the longest message, its header included */
    TICK = BUFFERS * BUFFER + MESSAGE,
    RETRY_MS = 100, /* how long to leave the listener alone when no descriptor is left */
};

/* What a result is of: it stands in the low bits of a client's address, or alone. */
enum { RECEIVED, SENT, ACCEPTED, RESTED, KIND = 3 };

struct batch {
    unsigned holders; /* sends on their way */
    size_t size;
    unsigned char data[];
};

struct client {
    int fd;
    bool deaf;             /* nothing new is for it */
    bool leaving;          /* its stream has ended: send what is unsent, then close */
    size_t place;          /* in the room */
    struct batch *sending; /* NULL, or what is on its way to it */
    struct batch *outbox;  /* NULL, or what is to follow, with room for LIMIT + TICK bytes */
    size_t rest_length;    /* the unfinished message at the end of what it sent: */
    unsigned char rest[MESSAGE];
};

static struct io_uring ring;
static unsigned char buffers[BUFFERS][BUFFER];
static _Alignas(4096) union {
    struct io_uring_buf_ring ring;
    struct io_uring_buf slots[BUFFERS];
} shelf; /* of the buffers that the kernel may take */
static int listener;
static struct client **room; /* everybody */
static size_t room_size;
static unsigned char tick[TICK];
static size_t tick_length;

static void listen_on(const char *address), start_ring(void), finish(struct io_uring_cqe *);
static void give_back(unsigned buffer), accept_clients(void), rest(void), join(int fd);
static void receive(struct client *), leave(struct client *), bury(struct client *);
static void serve(struct client *, const unsigned char *, size_t), sent(struct client *, int);
static void broadcast(void), offer(struct client *, struct batch *);

static void stop(int signal_number)
{
    (void)signal_number;
    shutdown(listener, SHUT_RDWR); /* the ring lets go of it some time after the process: its address is free now */
    _exit(0);                      /* nothing needs saving, and the kernel closes every connection */
}

int main(int count, char **arguments)
{
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    start_ring();
    listen_on(count == 2 ? arguments[1] : "");
    accept_clients();
    for (;;) {
        struct io_uring_cqe *result;
        unsigned head, results = 0;
        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, result)
        {
            finish(result);
            results++;
        }
        io_uring_cq_advance(&ring, results);
        broadcast();
    }
}

static void start_ring(void)
{
    /* The kernel does its part of the work when it is asked for results, and no earlier: so no
     * turn is interrupted, and none gathers more than the buffers hold that it began with. */
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

/* Let the kernel read into this buffer. */
static void give_back(unsigned buffer)
{
    int mask = io_uring_buf_ring_mask(BUFFERS);
    io_uring_buf_ring_add(&shelf.ring, buffers[buffer], BUFFER, (unsigned short)buffer, mask, 0);
    io_uring_buf_ring_advance(&shelf.ring, 1);
}

/* A request to be filled in, and not submitted before the end of the turn unless the ring is full.
 */
static struct io_uring_sqe *request(void)
{
    struct io_uring_sqe *request;
    while (!(request = io_uring_get_sqe(&ring)))
        io_uring_submit(&ring);
    return request;
}

static void finish(struct io_uring_cqe *result)
{
    struct client *client = (struct client *)(uintptr_t)(result->user_data & ~(uint64_t)KIND);
    bool last =
        !(result->flags & IORING_CQE_F_MORE); /* of this request there are no more results */
    switch (result->user_data & KIND) {
    case ACCEPTED:
        if (result->res >= 0)
            join(result->res);
        if (last && result->res >= 0)
            accept_clients();
        else if (last)
            rest();
        break;
    case RESTED:
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
            leave(client); /* a reset is an end as well */
        else if (last)
            receive(client); /* all buffers were in use */
    }
}

/* One request for all connections there will ever be, until one fails. */
static void accept_clients(void)
{
    struct io_uring_sqe *accept = request();
    io_uring_prep_multishot_accept(accept, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(accept, ACCEPTED);
}

static void rest(void)
{
    static struct __kernel_timespec a_while = {.tv_nsec = RETRY_MS * 1000000};
    struct io_uring_sqe *timeout = request();
    io_uring_prep_timeout(timeout, &a_while, 0, 0);
    io_uring_sqe_set_data64(timeout, RESTED);
}

static void join(int fd)
{
    if (room_size % BACKLOG == 0)
        room = realloc(room, (room_size + BACKLOG) * sizeof *room);
    struct client *client = calloc(1, sizeof *client);
    if (!room || !client)
        abort(); /* a few hundred bytes are not to be had: nothing sensible is left to do */
    client->fd = fd;
    client->place = room_size;
    room[room_size++] = client;
    receive(client);
}

/* One request for all that the client will ever say; the kernel takes a buffer when it does. */
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
    if (tick_length + MESSAGE + got > TICK)
        broadcast();
    unsigned char *start = tick + tick_length;
    memcpy(start, client->rest, client->rest_length);
    memcpy(start + client->rest_length, data, got);
    size_t size = client->rest_length + got, whole = whole_messages(start, size);
    tick_length += whole;
    client->rest_length = size - whole;
    memcpy(client->rest, start + whole, client->rest_length);
}

static void leave(struct client *client)
{
    broadcast(); /* who hangs up right after speaking still hears it */
    client->deaf = client->leaving = true;
    if (!client->sending)
        bury(client);
}

static void bury(struct client *client)
{
    room[client->place] = room[--room_size];
    room[client->place]->place = client->place;
    close(client->fd);
    free(client);
}

/* Let a client have a batch; its request is done when all of that is sent, and not before. */
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
        client->deaf = true; /* receiving sees it too, and ends the connection */
        free(next);
        next = NULL;
    }
    release(client->sending);
    client->sending = client->outbox = NULL;
    if (next)
        transmit(client, next);
    else if (client->leaving)
        bury(client);
}

/* Hand over what this turn has gathered: one send a client, however many spoke. */
static void broadcast(void)
{
    if (tick_length == 0)
        return;
    struct batch *batch = malloc(sizeof *batch + tick_length);
    if (!batch)
        abort();
    batch->holders = 1; /* this function */
    batch->size = tick_length;
    memcpy(batch->data, tick, tick_length);
    tick_length = 0;
    for (size_t i = 0; i < room_size; i++)
        if (!room[i]->deaf)
            offer(room[i], batch);
    release(batch);
}

/* Drop policy: all of the batch, or none of it for a client that is too far behind. */
static void offer(struct client *client, struct batch *batch)
{
    if (!client->sending) {
        transmit(client, batch);
        return;
    }
    if (!client->outbox) {
        client->outbox = malloc(sizeof *batch + LIMIT + TICK);
        if (!client->outbox)
            return;
        client->outbox->holders = 0;
        client->outbox->size = 0;
    }
    if (client->outbox->size > LIMIT)
        return;
    memcpy(client->outbox->data + client->outbox->size, batch->data, batch->size);
    client->outbox->size += batch->size;
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
    struct sockaddr_in6 bound; /* the port stands at the same place in both families */
    socklen_t size = sizeof bound;
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
}
