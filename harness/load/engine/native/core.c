/* The native engine's loop: one call that waits, receives, compares, sends and keeps the logs, without the GIL.
 *
 * Clients that are promised the same stream form a group. The group keeps the longest stream that any of them has
 * received; what another client receives is compared with it (memcmp), and only bytes that are new to all are parsed.
 * A client whose bytes differ has diverged: what it receives is handed to Python, which follows it message by message
 * and resynchronises it when it can (see verify/streams.py). Python decides about faults; a suspicious message only
 * ends the call.
 *
 * python.py does the same in Python; interface.py says what each method takes and returns. */

#include "core.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Return whether a client has sent something that it has not received yet. */
static bool awaits_echo(const Engine *engine, const Client *client)
{
    for (int sender = client->first_sender; sender >= 0; sender = engine->senders[sender].next)
        if (engine->senders[sender].sent > engine->senders[sender].echoed)
            return true;
    return false;
}

/* Look for a client's own messages in what it has newly received of its group's stream. */
void scan_for_echoes(Engine *engine, int number)
{
    Client *client = &engine->clients[number];
    Group *group = &engine->groups[client->group];
    if (client->scanned == group->count)
        return;
    if (!awaits_echo(engine, client)) {
        client->scanned = messages_within(group, client->offset); /* what it has received when it sends next */
        return;
    }
    for (const Run *run = find_run(group, client->scanned, INT64_MAX); client->scanned < group->count; run++) {
        int64_t until = run->first + whole_messages(run, client->offset);
        int sender = (int)(run->code / CODE_STRIDE);
        if (until > client->scanned && engine->senders[sender].client == number) {
            bool is_timed = engine->senders[sender].slot >= 0; /* else the last of them is enough */
            for (int64_t place = is_timed ? client->scanned : until - 1; place < until; place++)
                record_echo(engine, sender, run->code % CODE_STRIDE + place - run->first, client->read_ns);
        }
        if (until < run->first + run->count) {
            client->scanned = until > client->scanned ? until : client->scanned;
            break;
        }
        client->scanned = until;
    }
    refill_client(engine, client);
}

/* Take a client out of step with its group; its own bytes begin behind the last message that it has received whole. */
void diverge(Engine *engine, Client *client)
{
    Group *group = &engine->groups[client->group];
    client->scanned = messages_within(group, client->offset);
    client->received = client->scanned + client->shift;
    client->diverged = true;
    int64_t end = message_end(group, client->scanned - 1);
    append_bytes(engine, &client->pending, group->stream.data + (end - group->base), (size_t)(client->offset - end));
    engine->reason |= DIVERGED;
}

/* Discard the bytes that all clients in step have received; a client that is too far behind counts as diverged. */
static void trim_stream(Engine *engine, int number)
{
    Group *group = &engine->groups[number];
    int64_t least = group->messages_end;
    for (int i = 0; i < engine->clients_count; i++) {
        Client *client = &engine->clients[i];
        if (client->group != number || client->diverged || client->closed)
            continue;
        if (stream_end(group) - client->offset > MAX_LAG_BYTES) {
            diverge(engine, client);
            continue;
        }
        int64_t end = message_end(group, messages_within(group, client->offset) - 1);
        least = end < least ? end : least;
    }
    size_t gone = (size_t)(least - group->base);
    if (gone)
        memmove(group->stream.data, group->stream.data + gone, group->stream.length - gone);
    group->stream.length -= gone;
    group->base = least;
}

void extend_stream(Engine *engine, int number, const unsigned char *data, size_t length)
{
    Group *group = &engine->groups[number];
    if (group->stream.length > TRIM_ABOVE_BYTES && !group->noncanonical)
        trim_stream(engine, number);
    append_bytes(engine, &group->stream, data, length);
    parse_stream(engine, group);
}

/* Compare what a client has received with its group's stream; what goes beyond the stream extends it. */
static void compare(Engine *engine, int number, const unsigned char *data, size_t length)
{
    Client *client = &engine->clients[number];
    if (!client->diverged) {
        Group *group = &engine->groups[client->group];
        size_t known = (size_t)(stream_end(group) - client->offset), same = length < known ? length : known;
        if (equal(group->stream.data + (client->offset - group->base), data, same)) {
            client->offset += (int64_t)length;
            if (length > known)
                extend_stream(engine, client->group, data + known, length - known);
            if (client->first_sender >= 0 && !client->diverged)
                scan_for_echoes(engine, number);
            return;
        }
        diverge(engine, client);
    }
    append_bytes(engine, &client->pending, data, length);
    engine->reason |= DIVERGED;
}

static void receive(Engine *engine, int number)
{
    Client *client = &engine->clients[number];
    if (client->closed)
        return;
    ssize_t length = recv(client->fd, engine->chunk, READ_BYTES, MSG_DONTWAIT);
    if (length > 0) {
        engine->progress_ns = client->read_ns = now_ns();
        compare(engine, number, engine->chunk, (size_t)length);
    } else if (length == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        close_client(engine, client);
    }
}

static int wait_for_events(Engine *engine, struct epoll_event *events, int64_t ns)
{
    struct timespec timeout = {ns > 0 ? ns / SECOND_NS : 0, ns > 0 ? ns % SECOND_NS : 0};
    return epoll_pwait2(engine->epoll, events, MAX_EVENTS, &timeout, NULL);
}

void run_until(Engine *engine, int64_t until_ns)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t now = now_ns(), stop = until_ns < now + MAX_RUN_NS ? until_ns : now + MAX_RUN_NS;
    do {
        int64_t next = stop;
        if (engine->sending && engine->paced_count) {
            send_due(engine, now);
            int64_t due = intended_ns(engine, engine->due);
            if (engine->due < engine->schedule_length)
                next = due < next ? due : next;
        }
        if (engine->sending && engine->flooding && now - engine->progress_ns > QUIET_NS)
            expire_in_flight(engine);
        int ready = wait_for_events(engine, events, next - now);
        for (int i = 0; i < ready; i++) {
            if (events[i].events & EPOLLOUT)
                flush_unsent(engine, (int)events[i].data.u32);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                receive(engine, (int)events[i].data.u32);
        }
        now = now_ns();
    } while (now < stop && !engine->reason);
}
