/* Arrays that grow, and the clock: what all other parts of the native engine build on. */

#include "core.h"

#include <time.h>

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Return an array, moved if need be, with room for `least` elements of `size` bytes. When there is no memory, return
 * NULL and leave the array as it was. */
void *grow_array(Engine *engine, void *array, size_t *capacity, size_t least, size_t size)
{
    if (least <= *capacity)
        return array;
    size_t more = *capacity ? *capacity : 64;
    while (more < least)
        more *= 2;
    void *moved = PyMem_RawRealloc(array, more * size);
    if (moved)
        *capacity = more;
    else
        engine->reason |= NO_MEMORY;
    return moved;
}

/* Make room for so many more bytes; return false when there is no memory. */
bool reserve(Engine *engine, Bytes *bytes, size_t more)
{
    unsigned char *data = grow_array(engine, bytes->data, &bytes->capacity, bytes->length + more, sizeof *data);
    bytes->data = data ? data : bytes->data;
    return data;
}

void append_bytes(Engine *engine, Bytes *bytes, const void *data, size_t length)
{
    if (length && reserve(engine, bytes, length)) {
        memcpy(bytes->data + bytes->length, data, length);
        bytes->length += length;
    }
}

void append_number(Engine *engine, Numbers *numbers, int64_t number)
{
    int64_t *data = grow_array(engine, numbers->data, &numbers->capacity, numbers->length + 1, sizeof *data);
    if (!data)
        return;
    numbers->data = data;
    data[numbers->length++] = number;
}
