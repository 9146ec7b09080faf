/* The native core of a swarm: one call that waits, receives, compares, sends and keeps the logs, without the GIL.
 *
 * Clients that are promised the same stream form a group. The group keeps the longest stream that any of them has
 * received; what another one receives is compared with it (memcmp), and only what is new to all is parsed. A client
 * whose bytes differ has parted: what it receives is handed to Python, which follows it message by message and lets it
 * rejoin (see `streams.py`). Verdicts are Python's; what looks wrong here only ends the call.
 *
 * `twin.py` is the same in Python; `core.py` says what each method takes and returns. */

#include "core.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Look for a client's own messages in what it has newly received of its group's stream. */
void look(Core *core, int number)
{
    Client *client = &core->clients[number];
    Group *group = &core->groups[client->group];
    if (client->looked == group->count)
        return;
    for (const Run *run = run_of(group, client->looked, INT64_MAX); client->looked < group->count; run++) {
        int64_t until = run->first + whole_in(run, client->taken);
        int voice = (int)(run->code / CODE);
        if (until > client->looked && core->voices[voice].client == number) {
            bool is_timed = core->voices[voice].place >= 0; /* else the last of them tells all */
            for (int64_t one = is_timed ? client->looked : until - 1; one < until; one++)
                echo(core, voice, run->code % CODE + one - run->first, client->at_ns);
        }
        if (until < run->first + run->count) {
            client->looked = until > client->looked ? until : client->looked;
            break;
        }
        client->looked = until;
    }
    refill_all_of(core, client);
}

/* Follow a client by itself, from the last message that it has received whole. */
void part(Core *core, Client *client)
{
    Group *group = &core->groups[client->group];
    client->looked = messages(group, client->taken);
    client->heard = client->looked + client->shift;
    client->parted = true;
    int64_t end = end_of_message(group, client->looked - 1);
    put(core, &client->pending, group->stream.at + (end - group->base), (size_t)(client->taken - end));
    core->reason |= PARTED;
}

/* Let go of what all in step have received; who is far behind is followed by itself. */
static void trim(Core *core, int number)
{
    Group *group = &core->groups[number];
    int64_t least = group->ends;
    for (int i = 0; i < core->clients_count; i++) {
        Client *client = &core->clients[i];
        if (client->group != number || client->parted || client->closed)
            continue;
        if (end_of(group) - client->taken > LAG) {
            part(core, client);
            continue;
        }
        int64_t end = end_of_message(group, messages(group, client->taken) - 1);
        least = end < least ? end : least;
    }
    size_t gone = (size_t)(least - group->base);
    if (gone)
        memmove(group->stream.at, group->stream.at + gone, group->stream.length - gone);
    group->stream.length -= gone;
    group->base = least;
}

void grow(Core *core, int number, const unsigned char *data, size_t length)
{
    Group *group = &core->groups[number];
    if (group->stream.length > KEPT && !group->foreign)
        trim(core, number);
    put(core, &group->stream, data, length);
    parse(core, group);
}

static void take(Core *core, int number, const unsigned char *data, size_t length)
{
    Client *client = &core->clients[number];
    if (!client->parted) {
        Group *group = &core->groups[client->group];
        size_t known = (size_t)(end_of(group) - client->taken), same = length < known ? length : known;
        if (equal(group->stream.at + (client->taken - group->base), data, same)) {
            client->taken += (int64_t)length;
            if (length > known)
                grow(core, client->group, data + known, length - known);
            if (client->voice >= 0 && !client->parted)
                look(core, number);
            return;
        }
        part(core, client);
    }
    put(core, &client->pending, data, length);
    core->reason |= PARTED;
}

static void receive(Core *core, int number)
{
    Client *client = &core->clients[number];
    if (client->closed)
        return;
    ssize_t length = recv(client->fd, core->chunk, CHUNK, MSG_DONTWAIT);
    if (length > 0) {
        core->progress_ns = client->at_ns = now_ns();
        take(core, number, core->chunk, (size_t)length);
    } else if (length == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        close_client(core, client);
    }
}

static int wait_for_events(Core *core, struct epoll_event *events, int64_t ns)
{
    struct timespec timeout = {ns > 0 ? ns / SECOND : 0, ns > 0 ? ns % SECOND : 0};
    return epoll_pwait2(core->epoll, events, EVENTS, &timeout, NULL);
}

void run(Core *core, int64_t until_ns)
{
    struct epoll_event events[EVENTS];
    int64_t now = now_ns(), stop = until_ns < now + LONGEST_CALL ? until_ns : now + LONGEST_CALL;
    do {
        int64_t next = stop;
        if (core->speaking && core->paced_count) {
            say_what_is_due(core, now);
            int64_t due = intended_ns(core, core->said);
            next = due < next ? due : next;
        }
        if (core->speaking && core->flooding && now - core->progress_ns > QUIET)
            forgive(core);
        int ready = wait_for_events(core, events, next - now);
        for (int i = 0; i < ready; i++) {
            if (events[i].events & EPOLLOUT)
                push(core, (int)events[i].data.u32);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                receive(core, (int)events[i].data.u32);
        }
        now = now_ns();
    } while (now < stop && !core->reason);
}
