/* What the clients of a native engine send: bytes that wait for a socket, floods with a limit in flight, a schedule */

#include "core.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Return how many messages a client has received in all. */
int64_t received_count(const Engine *engine, const Client *client)
{
    if (client->diverged)
        return client->received;
    return messages_within(&engine->groups[client->group], client->offset) + client->shift;
}

void watch(Engine *engine, int number, int operation)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    if (engine->clients[number].waits_to_write)
        event.events |= EPOLLOUT;
    epoll_ctl(engine->epoll, operation, engine->clients[number].fd, &event);
}

void close_client(Engine *engine, Client *client)
{
    client->closed = true;
    engine->reason |= CLOSED;
    epoll_ctl(engine->epoll, EPOLL_CTL_DEL, client->fd, NULL);
}

/* Send as much of a client's unsent bytes as the socket takes now. */
void flush_unsent(Engine *engine, int number)
{
    Client *client = &engine->clients[number];
    while (client->unsent_from < client->unsent.length && !client->closed) {
        ssize_t size = send(client->fd, client->unsent.data + client->unsent_from,
                            client->unsent.length - client->unsent_from, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size >= 0)
            client->unsent_from += (size_t)size;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            close_client(engine, client);
    }
    if (client->unsent_from == client->unsent.length)
        client->unsent.length = client->unsent_from = 0;
    if (client->waits_to_write != (client->unsent.length > 0) && !client->closed) {
        client->waits_to_write = client->unsent.length > 0;
        watch(engine, number, EPOLL_CTL_MOD);
    }
}

/* Send the next `count` messages of a sender. */
void send_messages(Engine *engine, int number, int64_t count)
{
    Sender *sender = &engine->senders[number];
    Client *client = &engine->clients[sender->client];
    size_t length = sender->sent_frame.length;
    int64_t received = client->diverged ? client->received : client->scanned + client->shift;
    int64_t row[] = {number, received, sender->sent, count};
    for (int i = 0; i < 4; i++)
        append_number(engine, &engine->sends, row[i]);
    if (count <= 0 || !reserve(engine, &client->unsent, length * (size_t)count))
        return;
    unsigned char *to = client->unsent.data + client->unsent.length;
    memcpy(to, sender->sent_frame.data, length);
    int64_t rest = sender->sent;
    for (int place = DIGITS - 1; place >= SENDER_DIGITS; place--, rest /= 10)
        to[sender->sent_digits_at + (size_t)place] = (unsigned char)('0' + rest % 10);
    for (int64_t i = 1; i < count; i++, to += length) { /* a copy of the frame before it, plus one */
        memcpy(to + length, to, length);
        increment_digits(to + length + sender->sent_digits_at);
    }
    client->unsent.length += length * (size_t)count;
    sender->sent += count;
    flush_unsent(engine, sender->client);
}

/* Let a flooding sender send up to its limit in flight, in batches of at least half of it: if each echo woke it up,
 * the cost of that would be measured instead. */
static void refill(Engine *engine, int number)
{
    Sender *sender = &engine->senders[number];
    int64_t room = sender->max_in_flight - (sender->sent - sender->echoed), least = sender->max_in_flight / 2;
    if (engine->sending && sender->max_in_flight && room >= (least > 1 ? least : 1)
        && !engine->clients[sender->client].unsent.length)
        send_messages(engine, number, room);
}

int64_t intended_ns(const Engine *engine, int64_t message)
{
    return engine->start_ns + (int64_t)((double)message * engine->interval_ns);
}

/* Send the messages that have become due, in one write for each sender: with one for each message, the writes would
 * be the limit at high rates. */
void send_due(Engine *engine, int64_t now)
{
    int64_t first = engine->due, senders = engine->paced_count;
    while (engine->due < engine->schedule_length && intended_ns(engine, engine->due) <= now)
        engine->due++;
    for (int64_t turn = first; turn < engine->due && turn < first + senders; turn++) {
        int sender = engine->paced[turn % senders];
        if (engine->senders[sender].client < 0)
            continue; /* another process sends it */
        int64_t count = 0, at_ns = now_ns();
        for (int64_t message = turn; message < engine->due; message += senders, count++) {
            append_number(engine, &engine->lags, message);
            append_number(engine, &engine->lags, at_ns - intended_ns(engine, message));
        }
        send_messages(engine, sender, count);
    }
}

/* Record that a sender's client has received the sender's own message. One sender's messages arrive in order, so what
 * it sent before has arrived by now, or never will. */
void record_echo(Engine *engine, int number, int64_t message, int64_t at_ns)
{
    Sender *sender = &engine->senders[number];
    if (message >= sender->echoed)
        sender->echoed = message + 1;
    if (sender->slot >= 0 && message >= sender->scheduled_from) {
        int64_t scheduled = (message - sender->scheduled_from) * engine->paced_count + sender->slot;
        append_number(engine, &engine->latencies, scheduled);
        append_number(engine, &engine->latencies, at_ns - intended_ns(engine, scheduled));
    }
}

/* Refill the flooding senders of a client. */
void refill_client(Engine *engine, const Client *client)
{
    for (int sender = client->first_sender; sender >= 0; sender = engine->senders[sender].next)
        refill(engine, sender);
}

/* Count all messages in flight as dropped, after nothing has arrived for QUIET_NS; let the flood go on. */
void expire_in_flight(Engine *engine)
{
    engine->progress_ns = now_ns();
    for (int sender = 0; sender < engine->senders_count; sender++) {
        engine->senders[sender].echoed = engine->senders[sender].sent;
        if (engine->senders[sender].max_in_flight)
            refill(engine, sender);
    }
}
