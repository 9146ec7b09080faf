/* The streams of a native core: reads frames in their usual spelling, and keeps a group's messages as runs. */

#include "core.h"

static int64_t number_at(const unsigned char *digits, int count)
{
    int64_t number = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = digits[i] - (unsigned)'0';
        if (digit > 9)
            return -1;
        number = number * 10 + digit;
    }
    return number;
}

/* Return whether `size` bytes are the beginning of a frame of this voice, whatever its number. */
static bool begins(const Core *core, const Voice *voice, const unsigned char *data, size_t size)
{
    size_t at = core->shapes[voice->shape].at;
    if (size > voice->arrives.length || memcmp(data, voice->arrives.at, size < at ? size : at))
        return false;
    for (size_t i = at; i < size && i < at + DIGITS; i++) {
        bool told = i < at + VOICE_DIGITS ? data[i] == voice->arrives.at[i] : data[i] >= '0' && data[i] <= '9';
        if (!told)
            return false;
    }
    return size <= at + DIGITS || !memcmp(data + at + DIGITS, voice->arrives.at + at + DIGITS, size - at - DIGITS);
}

/* Read one frame. Returns its length, 0 when it is not whole, -1 when it is none in its usual spelling. */
Py_ssize_t frame(const Core *core, const unsigned char *data, size_t size, int64_t *code)
{
    for (int shape = 0; shape < core->shapes_count; shape++) {
        const Shape *one = &core->shapes[shape];
        if (size < one->length)
            continue;
        int64_t voice = number_at(data + one->at, VOICE_DIGITS);
        if (voice < 0 || voice >= core->voices_count || core->voices[voice].shape != shape)
            continue;
        const unsigned char *usual = core->voices[voice].arrives.at;
        size_t rest = one->at + DIGITS;
        int64_t number = number_at(data + one->at + VOICE_DIGITS, NUMBER_DIGITS);
        if (number < 0 || memcmp(data, usual, one->at) || memcmp(data + rest, usual + rest, one->length - rest))
            continue;
        *code = voice * CODE + number;
        return (Py_ssize_t)one->length;
    }
    for (int voice = 0; voice < core->voices_count; voice++)
        if (begins(core, &core->voices[voice], data, size))
            return 0;
    return size ? -1 : 0;
}

int64_t end_of(const Group *group) { return group->base + (int64_t)group->stream.length; }

/* --- the messages of a stream */

/* Take messages of a voice, numbered one after the other, as the group's next ones; each ends `length` bytes on. */
void enter(Core *core, Group *group, int64_t code, int64_t count, int64_t length)
{
    int64_t number = code % CODE, last = number + count - 1;
    const Voice *voice = &core->voices[code / CODE];
    int64_t *latest = &group->latest[code / CODE];
    if (number <= *latest || !group->owed[code / CODE] || (voice->client >= 0 && last >= voice->said))
        core->reason |= SUSPECT;
    *latest = last > *latest ? last : *latest;
    Run *before = group->runs.length ? &group->runs.at[group->runs.length - 1] : NULL;
    if (before && before->code + before->count == code && before->length == length) {
        before->count += count;
    } else {
        Run *at = with_room(core, group->runs.at, &group->runs.room, group->runs.length + 1, sizeof *at);
        if (!at)
            return;
        group->runs.at = at;
        at[group->runs.length++] = (Run){group->count, count, code, group->ends, length};
    }
    group->count += count;
    group->ends += count * length;
}

/* Return the last run that begins at this message or offset, or before it. Mostly that is the last of all. */
const Run *run_of(const Group *group, int64_t message, int64_t offset)
{
    const Run *at = group->runs.at;
    size_t low = 0, high = group->runs.length;
    if (at[high - 1].first <= message && at[high - 1].begin <= offset)
        return &at[high - 1];
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (at[middle].first <= message && at[middle].begin <= offset)
            low = middle;
        else
            high = middle;
    }
    return &at[low];
}

/* Return how many of its messages are whole in the bytes of the stream up to this offset. */
int64_t whole_in(const Run *run, int64_t taken)
{
    int64_t whole = taken > run->begin ? (taken - run->begin) / run->length : 0;
    return whole < run->count ? whole : run->count;
}

/* Return how many messages of the group's stream are whole in its bytes up to this offset. */
int64_t messages(const Group *group, int64_t taken)
{
    if (taken >= group->ends || !group->runs.length)
        return group->count;
    const Run *run = run_of(group, INT64_MAX, taken);
    return run->first + whole_in(run, taken);
}

/* Return the offset where a message ends; of the one before the first that is kept, where that begins. */
int64_t end_of_message(const Group *group, int64_t message)
{
    if (message == group->count - 1)
        return group->ends;
    const Run *run = run_of(group, message, INT64_MAX);
    return run->begin + (message - run->first + 1) * run->length;
}

void codes_of(const Group *group, int64_t start, int64_t stop, int64_t *into)
{
    if (start == stop)
        return;
    for (const Run *run = run_of(group, start, INT64_MAX); start < stop; run++)
        for (; start < stop && start < run->first + run->count; start++)
            *into++ = run->code + (start - run->first);
}

/* Keep no message before this one. */
void forget(Group *group, int64_t until)
{
    size_t gone = 0;
    for (; gone < group->runs.length && group->runs.at[gone].first + group->runs.at[gone].count <= until; gone++)
        ;
    group->runs.length -= gone;
    memmove(group->runs.at, group->runs.at + gone, group->runs.length * sizeof *group->runs.at);
    group->first = until;
    if (group->runs.length && group->runs.at[0].first < until) {
        Run *run = &group->runs.at[0];
        int64_t less = until - run->first;
        *run = (Run){until, run->count - less, run->code + less, run->begin + less * run->length, run->length};
    }
}

/* Count the digits of a frame on by one. */
void count_on(unsigned char *digits)
{
    unsigned char *digit = digits + DIGITS - 1;
    for (; *digit == '9'; digit--)
        *digit = '0';
    ++*digit;
}

void parse(Core *core, Group *group)
{
    while (!group->foreign) {
        size_t at = (size_t)(group->parsed - group->base), size = group->stream.length - at;
        const unsigned char *data = group->stream.at + at;
        int64_t code = 0, count = 1;
        Py_ssize_t length = frame(core, data, size, &code);
        if (length < 0) {
            group->foreign = true;
            core->reason |= FOREIGN;
        }
        if (length <= 0)
            return;
        /* The next one of the same voice is what comes most often, and needs no reading. */
        const Voice *voice = &core->voices[code / CODE];
        unsigned char *expected = voice->arrives.at, *digits = expected + core->shapes[voice->shape].at;
        memcpy(expected, data, (size_t)length);
        for (; size >= (size_t)((count + 1) * length); count++) {
            count_on(digits);
            if (memcmp(data + count * length, expected, (size_t)length))
                break;
        }
        /* In front of it may be frames that are no messages. */
        enter(core, group, code, 1, group->parsed + length - group->ends);
        if (count > 1)
            enter(core, group, code + 1, count - 1, length);
        group->parsed += count * length;
    }
}
