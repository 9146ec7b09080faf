/* What the clients of a native core say: bytes that wait to be sent, floods within a window, and a schedule. */

#include "core.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int64_t heard(const Core *core, const Client *client)
{
    return client->parted ? client->heard : messages(&core->groups[client->group], client->taken) + client->shift;
}

void watch(Core *core, int number, int operation)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    if (core->clients[number].waits_to_write)
        event.events |= EPOLLOUT;
    epoll_ctl(core->epoll, operation, core->clients[number].fd, &event);
}

void close_client(Core *core, Client *client)
{
    client->closed = true;
    core->reason |= CLOSED;
    epoll_ctl(core->epoll, EPOLL_CTL_DEL, client->fd, NULL);
}

void push(Core *core, int number)
{
    Client *client = &core->clients[number];
    while (client->unsent_from < client->unsent.length && !client->closed) {
        ssize_t done = send(client->fd, client->unsent.at + client->unsent_from,
                            client->unsent.length - client->unsent_from, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done >= 0)
            client->unsent_from += (size_t)done;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            close_client(core, client);
    }
    if (client->unsent_from == client->unsent.length)
        client->unsent.length = client->unsent_from = 0;
    if (client->waits_to_write != (client->unsent.length > 0) && !client->closed) {
        client->waits_to_write = client->unsent.length > 0;
        watch(core, number, EPOLL_CTL_MOD);
    }
}

void say(Core *core, int number, int64_t count)
{
    Voice *voice = &core->voices[number];
    Client *client = &core->clients[voice->client];
    size_t length = voice->sent.length;
    int64_t all[] = {number, client->parted ? client->heard : client->looked + client->shift, voice->said, count};
    for (int i = 0; i < 4; i++)
        note(core, &core->sends, all[i]);
    if (count <= 0 || !room_for(core, &client->unsent, length * (size_t)count))
        return;
    unsigned char *to = client->unsent.at + client->unsent.length;
    memcpy(to, voice->sent.at, length);
    int64_t rest = voice->said;
    for (int place = DIGITS - 1; place >= VOICE_DIGITS; place--, rest /= 10)
        to[voice->sent_at + (size_t)place] = (unsigned char)('0' + rest % 10);
    for (int64_t i = 1; i < count; i++, to += length) { /* the frame before it, counted on by one */
        memcpy(to + length, to, length);
        count_on(to + length + voice->sent_at);
    }
    client->unsent.length += length * (size_t)count;
    voice->said += count;
    push(core, voice->client);
}

/* Fill the window of a voice that floods, in batches of half of it: waking up for each echo would measure that. */
static void refill(Core *core, int number)
{
    Voice *voice = &core->voices[number];
    int64_t room = voice->window - (voice->said - voice->echoed), least = voice->window / 2;
    if (core->speaking && voice->window && room >= (least > 1 ? least : 1) && !core->clients[voice->client].unsent.length)
        say(core, number, room);
}

int64_t intended_ns(const Core *core, int64_t message)
{
    return core->start_ns + (int64_t)((double)message * core->interval_ns);
}

/* What has become due meanwhile goes out in one write a voice: at high rates a write a message would be the limit. */
void say_what_is_due(Core *core, int64_t now)
{
    int64_t first = core->said, voices = core->paced_count;
    while (intended_ns(core, core->said) <= now)
        core->said++;
    for (int64_t turn = first; turn < core->said && turn < first + voices; turn++) {
        int voice = core->paced[turn % voices];
        if (core->voices[voice].client < 0)
            continue; /* another process says it */
        int64_t count = 0, at_ns = now_ns();
        for (int64_t message = turn; message < core->said; message += voices, count++) {
            note(core, &core->lags, message);
            note(core, &core->lags, at_ns - intended_ns(core, message));
        }
        say(core, voice, count);
    }
}

/* A voice has heard its own message. By the order of one sender, what it said before has come by now, or never will. */
void echo(Core *core, int voice, int64_t number, int64_t at_ns)
{
    Voice *one = &core->voices[voice];
    if (number >= one->echoed)
        one->echoed = number + 1;
    if (one->place >= 0) {
        int64_t message = number * core->paced_count + one->place;
        note(core, &core->latencies, message);
        note(core, &core->latencies, at_ns - intended_ns(core, message));
    }
}

void refill_all_of(Core *core, const Client *client)
{
    for (int voice = client->voice; voice >= 0; voice = core->voices[voice].next)
        refill(core, voice);
}

/* Take for dropped what the flooding voices have not heard when nothing has come for long. */
void forgive(Core *core)
{
    core->progress_ns = now_ns();
    for (int voice = 0; voice < core->voices_count; voice++) {
        core->voices[voice].echoed = core->voices[voice].said;
        if (core->voices[voice].window)
            refill(core, voice);
    }
}
