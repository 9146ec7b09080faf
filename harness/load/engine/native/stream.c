/* The streams of groups: parses frames in their canonical encoding, and keeps a stream's messages as runs. */

#include "core.h"

/* Return the number that `count` decimal digits make, -1 when something else is among them. */
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

/* Return whether `size` bytes are the beginning of a frame of this sender, whatever its number. */
static bool is_prefix(const Engine *engine, const Sender *sender, const unsigned char *data, size_t size)
{
    const unsigned char *canonical = sender->arriving_frame.data;
    size_t begin = engine->layouts[sender->layout].digits_at, end = begin + DIGITS;
    if (size > sender->arriving_frame.length || memcmp(data, canonical, size < begin ? size : begin))
        return false;
    for (size_t i = begin; i < size && i < end; i++) {
        bool fits = i < begin + SENDER_DIGITS ? data[i] == canonical[i] : data[i] >= '0' && data[i] <= '9';
        if (!fits)
            return false;
    }
    return size <= end || !memcmp(data + end, canonical + end, size - end);
}

/* Parse one frame. Returns its length, 0 when it is incomplete, -1 when it is not in its canonical encoding. */
Py_ssize_t parse_frame(const Engine *engine, const unsigned char *data, size_t size, int64_t *code)
{
    for (int i = 0; i < engine->layouts_count; i++) {
        const Layout *layout = &engine->layouts[i];
        if (size < layout->length)
            continue;
        int64_t sender = number_at(data + layout->digits_at, SENDER_DIGITS);
        if (sender < 0 || sender >= engine->senders_count || engine->senders[sender].layout != i)
            continue;
        const unsigned char *canonical = engine->senders[sender].arriving_frame.data;
        size_t rest = layout->digits_at + DIGITS;
        int64_t number = number_at(data + layout->digits_at + SENDER_DIGITS, NUMBER_DIGITS);
        if (number < 0 || memcmp(data, canonical, layout->digits_at)
            || memcmp(data + rest, canonical + rest, layout->length - rest))
            continue;
        *code = sender * CODE_STRIDE + number;
        return (Py_ssize_t)layout->length;
    }
    for (int sender = 0; sender < engine->senders_count; sender++)
        if (is_prefix(engine, &engine->senders[sender], data, size))
            return 0;
    return size ? -1 : 0;
}

int64_t stream_end(const Group *group) { return group->base + (int64_t)group->stream.length; }

/* --- the messages of a stream */

/* Append messages of one sender to a group's stream: `count` successive numbers, in frames of `length` bytes. */
void append_messages(Engine *engine, Group *group, int64_t code, int64_t count, int64_t length)
{
    int64_t number = code % CODE_STRIDE, last = number + count - 1;
    const Sender *sender = &engine->senders[code / CODE_STRIDE];
    int64_t *highest = &group->highest[code / CODE_STRIDE];
    if (number <= *highest || !group->subscribed[code / CODE_STRIDE] || (sender->client >= 0 && last >= sender->sent))
        engine->reason |= SUSPECT;
    *highest = last > *highest ? last : *highest;
    Run *before = group->runs.length ? &group->runs.data[group->runs.length - 1] : NULL;
    if (before && before->code + before->count == code && before->length == length) {
        before->count += count;
    } else {
        Run *runs = grow_array(engine, group->runs.data, &group->runs.capacity, group->runs.length + 1, sizeof *runs);
        if (!runs)
            return;
        group->runs.data = runs;
        runs[group->runs.length++] = (Run){group->count, count, code, group->messages_end, length};
    }
    group->count += count;
    group->messages_end += count * length;
}

/* Return the last run that begins at or before both this message and this offset. Mostly that is the last of all. */
const Run *find_run(const Group *group, int64_t message, int64_t offset)
{
    const Run *runs = group->runs.data;
    size_t low = 0, high = group->runs.length;
    if (runs[high - 1].first <= message && runs[high - 1].begin <= offset)
        return &runs[high - 1];
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (runs[middle].first <= message && runs[middle].begin <= offset)
            low = middle;
        else
            high = middle;
    }
    return &runs[low];
}

/* Return how many messages of a run are whole in the bytes of the stream up to this offset. */
int64_t whole_messages(const Run *run, int64_t offset)
{
    int64_t whole = offset > run->begin ? (offset - run->begin) / run->length : 0;
    return whole < run->count ? whole : run->count;
}

/* Return how many messages of a group's stream are whole in its bytes up to this offset. */
int64_t messages_within(const Group *group, int64_t offset)
{
    if (offset >= group->messages_end || !group->runs.length)
        return group->count;
    const Run *run = find_run(group, INT64_MAX, offset);
    return run->first + whole_messages(run, offset);
}

/* Return the offset at which a message ends; for the one before the first kept message, where that one begins. */
int64_t message_end(const Group *group, int64_t message)
{
    if (message == group->count - 1)
        return group->messages_end;
    const Run *run = find_run(group, message, INT64_MAX);
    return run->begin + (message - run->first + 1) * run->length;
}

void copy_codes(const Group *group, int64_t start, int64_t stop, int64_t *into)
{
    if (start == stop)
        return;
    for (const Run *run = find_run(group, start, INT64_MAX); start < stop; run++)
        for (; start < stop && start < run->first + run->count; start++)
            *into++ = run->code + (start - run->first);
}

/* Discard the messages before this one; their bytes are trimmed elsewhere (see core.c). */
void discard_before(Group *group, int64_t until)
{
    size_t gone = 0;
    for (; gone < group->runs.length && group->runs.data[gone].first + group->runs.data[gone].count <= until; gone++)
        ;
    group->runs.length -= gone;
    memmove(group->runs.data, group->runs.data + gone, group->runs.length * sizeof *group->runs.data);
    group->first = until;
    if (group->runs.length && group->runs.data[0].first < until) {
        Run *run = &group->runs.data[0];
        int64_t less = until - run->first;
        *run = (Run){until, run->count - less, run->code + less, run->begin + less * run->length, run->length};
    }
}

/* Add one to the digits of a frame. */
void increment_digits(unsigned char *digits)
{
    unsigned char *digit = digits + DIGITS - 1;
    for (; *digit == '9'; digit--)
        *digit = '0';
    ++*digit;
}

/* Parse the part of a group's stream that is not parsed yet, as far as its frames are whole and canonical. */
void parse_stream(Engine *engine, Group *group)
{
    while (!group->noncanonical) {
        size_t at = (size_t)(group->parsed - group->base), size = group->stream.length - at;
        const unsigned char *data = group->stream.data + at;
        int64_t code = 0, count = 1;
        Py_ssize_t length = parse_frame(engine, data, size, &code);
        if (length < 0) {
            group->noncanonical = true;
            engine->reason |= NONCANONICAL;
        }
        if (length <= 0)
            return;
        /* Most often the same sender's next message follows: it is compared with what is expected, not parsed. */
        const Sender *sender = &engine->senders[code / CODE_STRIDE];
        unsigned char *expected = sender->arriving_frame.data;
        unsigned char *digits = expected + engine->layouts[sender->layout].digits_at;
        memcpy(expected, data, (size_t)length);
        for (; size >= (size_t)((count + 1) * length); count++) {
            increment_digits(digits);
            if (memcmp(data + count * length, expected, (size_t)length))
                break;
        }
        /* Frames in front of the first one that are no messages count as part of it. */
        append_messages(engine, group, code, 1, group->parsed + length - group->messages_end);
        if (count > 1)
            append_messages(engine, group, code + 1, count - 1, length);
        group->parsed += count * length;
    }
}
