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
#include <time.h>

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* Return an array, moved if need be, with room for `least` elements of `size` bytes; NULL, the array as it was, when
 * there is no memory. */
void *with_room(Core *core, void *array, size_t *room, size_t least, size_t size)
{
    if (least <= *room)
        return array;
    size_t more = *room ? *room : 64;
    while (more < least)
        more *= 2;
    void *moved = PyMem_RawRealloc(array, more * size);
    if (moved)
        *room = more;
    else
        core->reason |= NO_MEMORY;
    return moved;
}

static bool room_for(Core *core, Bytes *one, size_t more)
{
    unsigned char *at = with_room(core, one->at, &one->room, one->length + more, sizeof *at);
    one->at = at ? at : one->at;
    return at;
}

void put(Core *core, Bytes *one, const void *data, size_t length)
{
    if (length && room_for(core, one, length)) {
        memcpy(one->at + one->length, data, length);
        one->length += length;
    }
}

void note(Core *core, Numbers *one, int64_t number)
{
    int64_t *at = with_room(core, one->at, &one->room, one->length + 1, sizeof *at);
    if (!at)
        return;
    one->at = at;
    at[one->length++] = number;
}

int64_t heard(const Core *core, const Client *client)
{
    return client->parted ? client->heard : messages(&core->groups[client->group], client->taken) + client->shift;
}

/* --- sending */

void watch(Core *core, int number, int operation)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    if (core->clients[number].waits_to_write)
        event.events |= EPOLLOUT;
    epoll_ctl(core->epoll, operation, core->clients[number].fd, &event);
}

static void close_client(Core *core, Client *client)
{
    client->closed = true;
    core->reason |= CLOSED;
    epoll_ctl(core->epoll, EPOLL_CTL_DEL, client->fd, NULL);
}

static void push(Core *core, int number)
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

static int64_t intended_ns(const Core *core, int64_t message)
{
    return core->start_ns + (int64_t)((double)message * core->interval_ns);
}

static void say_what_is_due(Core *core, int64_t now)
{
    for (int64_t due; (due = intended_ns(core, core->said)) <= now; core->said++) {
        int voice = core->paced[core->said % core->paced_count];
        if (core->voices[voice].client < 0)
            continue; /* another process says it */
        note(core, &core->lags, core->said);
        note(core, &core->lags, now_ns() - due);
        say(core, voice, 1);
    }
}

/* --- receiving */

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

/* Take for dropped what the flooding voices have not heard when nothing has come for long. */
static void forgive(Core *core)
{
    core->progress_ns = now_ns();
    for (int voice = 0; voice < core->voices_count; voice++) {
        core->voices[voice].echoed = core->voices[voice].said;
        if (core->voices[voice].window)
            refill(core, voice);
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
