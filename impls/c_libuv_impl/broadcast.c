/* Broadcast on libuv: callbacks on the event loop that Node is built on.
 *
 * Order: each callback for input reads straight into one buffer, `pending`; at the end of a turn of
 * the loop the whole messages collected there go to all clients: that is the common order.
 * A slow client: what the kernel does not take is left to libuv, which writes it when there is room;
 * what follows waits in an outbox. While both together are more than LIMIT bytes, the client misses
 * new batches, always as whole messages. No client waits for another. */

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>

enum {
    BACKLOG = 1024,
    CHUNK = 64 * 1024,                 /* bytes per read */
    LIMIT = 256 * 1024,                /* a client with more unsent bytes misses new batches */
    MESSAGE = 256,                     /* bytes of the longest message, including its header */
    MAX_PENDING = 2 * CHUNK + MESSAGE, /* bytes collected at most before they are sent */
    LINGER_MS = 10000, /* from the end of a client's stream to its deadline */
    RETRY_MS = 100,    /* how long not to listen when accept fails */
};

/* An outbox, and later a write in progress: libuv needs the memory until it calls back. */
struct unsent {
    uv_write_t request;
    size_t size;
    char data[LIMIT + MAX_PENDING];
};

struct client {
    uv_tcp_t connection; /* the first member: libuv's callbacks get its address */
    uv_timer_t deadline; /* for a client whose stream has ended to read what is unsent */
    LIST_ENTRY(client) link;
    struct unsent *writing; /* NULL, or a write in progress */
    struct unsent *outbox;  /* NULL, or what follows it */
    bool leaving;           /* its stream has ended: send what is unsent, then close */
    size_t rest_length;     /* of the unfinished message at the end of its input: */
    char rest[MESSAGE];
};

static uv_tcp_t listener;
static struct sockaddr_in6 bound; /* its address; the port is at the same offset in both families */
static uv_timer_t retry;
static LIST_HEAD(, client) room; /* all clients whose stream has not ended */
static char pending[MAX_PENDING]; /* whole messages, collected in this turn of the loop */
static size_t pending_length;

static void leave(struct client *, bool reset), write_outbox(struct client *);
static void written(uv_write_t *, int status), broadcast(void);
static void close_client(struct client *), close_deadline(uv_handle_t *), forget(uv_handle_t *);
static void give_up(uv_timer_t *), cut_off(struct client *);
static void offer(struct client *, const char *batch, size_t size);
static int start_listening(void);

/* Where to read: behind the messages that are pending. No buffer for each client is needed, because on
 * Unix libuv reads, and calls `serve`, in one step. */
static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct client *client = (struct client *)handle;
    if (pending_length + MESSAGE + CHUNK > MAX_PENDING)
        broadcast();
    memcpy(pending + pending_length, client->rest, client->rest_length);
    *buffer = uv_buf_init(pending + pending_length + client->rest_length, CHUNK);
}

/* The length of the longest prefix of `data` that consists of whole messages. */
static size_t whole_messages(const unsigned char *data, size_t size)
{
    size_t end = 0;
    while (end < size && end + 1 + data[end] <= size)
        end += 1 + (size_t)data[end];
    return end;
}

static void serve(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    (void)buffer;
    struct client *client = (struct client *)stream;
    if (got < 0) {
        leave(client, got != UV_EOF);
        return;
    }
    const char *start = pending + pending_length;
    size_t size = client->rest_length + (size_t)got;
    size_t whole = whole_messages((const unsigned char *)start, size);
    pending_length += whole; /* the messages are already in place */
    client->rest_length = size - whole;
    memcpy(client->rest, start + whole, client->rest_length);
}

static void leave(struct client *client, bool reset)
{
    broadcast(); /* a leaving client still receives its own last messages */
    LIST_REMOVE(client, link);
    uv_read_stop((uv_stream_t *)&client->connection);
    client->leaving = true;
    if (reset || !client->writing)
        close_client(client);
    else
        uv_timer_start(&client->deadline, give_up, LINGER_MS, 0); /* it may never read */
}

static void write_outbox(struct client *client)
{
    client->writing = client->outbox;
    client->outbox = NULL;
    uv_buf_t data = uv_buf_init(client->writing->data, (unsigned)client->writing->size);
    uv_write(&client->writing->request, (uv_stream_t *)&client->connection, &data, 1, written);
}

/* The write in progress has ended. */
static void written(uv_write_t *request, int status)
{
    struct client *client = (struct client *)request->handle;
    free(client->writing);
    client->writing = NULL;
    if (uv_is_closing((uv_handle_t *)&client->connection))
        return;
    if (client->outbox && status == 0)
        write_outbox(client);
    else if (client->leaving)
        close_client(client);
    else if (status < 0)
        cut_off(client);
}

/* Nothing more can be sent to it. What it has sent is still read, to the end that this makes. */
static void cut_off(struct client *client)
{
    uv_os_fd_t fd;
    uv_fileno((uv_handle_t *)&client->connection, &fd);
    shutdown(fd, SHUT_RDWR);
}

static void give_up(uv_timer_t *deadline)
{
    close_client(deadline->data);
}

/* Two handles are to be closed before their memory may be freed: one after the other. */
static void close_client(struct client *client)
{
    uv_close((uv_handle_t *)&client->connection, close_deadline);
}

static void close_deadline(uv_handle_t *connection)
{
    uv_close((uv_handle_t *)&((struct client *)connection)->deadline, forget);
}

static void forget(uv_handle_t *deadline)
{
    struct client *client = deadline->data;
    free(client->outbox);
    free(client);
}

/* Tuned: libuv calls this after all clients that are ready in this turn of its loop have been read.
 * One write to each client carries what all of these have sent. */
static void finish_turn(uv_check_t *check)
{
    (void)check;
    broadcast();
}

/* Offer what is pending as one batch: one offer per client, however many clients have sent. */
static void broadcast(void)
{
    struct client *client;
    if (pending_length > 0)
        LIST_FOREACH(client, &room, link)
            offer(client, pending, pending_length);
    pending_length = 0;
}

/* Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
static void offer(struct client *client, const char *batch, size_t size)
{
    uv_stream_t *stream = (uv_stream_t *)&client->connection;
    if (!client->writing) {
        uv_buf_t data = uv_buf_init((char *)batch, (unsigned)size);
        int sent = uv_try_write(stream, &data, 1); /* without a copy, a request, and a callback */
        if (sent == (int)size)
            return;
        if (sent < 0 && sent != UV_EAGAIN) {
            cut_off(client);
            return;
        }
        batch += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : (size_t)sent;
    } else if (uv_stream_get_write_queue_size(stream) + (client->outbox ? client->outbox->size : 0) > LIMIT)
        return;
    if (!client->outbox) {
        client->outbox = malloc(sizeof *client->outbox);
        if (!client->outbox) {
            cut_off(client); /* a message may be cut in two: the stream is broken */
            return;
        }
        client->outbox->size = 0;
    }
    memcpy(client->outbox->data + client->outbox->size, batch, size);
    client->outbox->size += size;
    if (!client->writing)
        write_outbox(client);
}

static void listen_again(uv_timer_t *timer)
{
    if (start_listening() == 0)
        uv_timer_stop(timer);
    else
        uv_close((uv_handle_t *)&listener, NULL);
}

static void accept_client(uv_stream_t *server, int status)
{
    if (status < 0) { /* libuv would try again at once, and serve nobody until it succeeds */
        uv_close((uv_handle_t *)server, NULL);
        uv_timer_start(&retry, listen_again, RETRY_MS, RETRY_MS);
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        abort();
    uv_tcp_init(server->loop, &client->connection);
    uv_timer_init(server->loop, &client->deadline);
    client->deadline.data = client;
    uv_accept(server, (uv_stream_t *)&client->connection);
    uv_tcp_nodelay(&client->connection, 1);
    LIST_INSERT_HEAD(&room, client, link);
    if (uv_read_start((uv_stream_t *)&client->connection, give_buffer, serve) < 0)
        leave(client, true);
}

static int start_listening(void)
{
    uv_tcp_init(uv_default_loop(), &listener);
    int problem = uv_tcp_bind(&listener, (struct sockaddr *)&bound, 0);
    return problem ? problem : uv_listen((uv_stream_t *)&listener, BACKLOG, accept_client);
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
                             .ai_family = address[0] == '[' ? AF_INET6 : AF_UNSPEC};
    uv_getaddrinfo_t found;
    int problem = uv_getaddrinfo(uv_default_loop(), &found, NULL, host, port, &hints);
    if (!problem) {
        memcpy(&bound, found.addrinfo->ai_addr, found.addrinfo->ai_addrlen);
        problem = start_listening();
    }
    if (problem) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, uv_strerror(problem));
        exit(1);
    }
    uv_freeaddrinfo(found.addrinfo);
    int size = sizeof bound;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&bound, &size);
    int length = (int)(strrchr(address, ':') - address);
    printf("listening on %.*s:%d\n", length, address, ntohs(bound.sin6_port));
    fflush(stdout);
}

static void stop(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

int main(int count, char **arguments)
{
    signal(SIGPIPE, SIG_IGN);
    uv_signal_t interrupt, terminate;
    uv_signal_init(uv_default_loop(), &interrupt);
    uv_signal_init(uv_default_loop(), &terminate);
    uv_signal_start(&interrupt, stop, SIGINT);
    uv_signal_start(&terminate, stop, SIGTERM);
    uv_timer_init(uv_default_loop(), &retry);
    listen_on(count == 2 ? arguments[1] : "");
    uv_check_t turn;
    uv_check_init(uv_default_loop(), &turn);
    uv_check_start(&turn, finish_turn);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return 0; /* uv_run returns the number of handles that are still open */
}
