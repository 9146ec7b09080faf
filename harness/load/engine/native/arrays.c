/* Arrays that grow, and the clock: what all parts of the native core stand on. */

#include "core.h"

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

bool room_for(Core *core, Bytes *one, size_t more)
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
