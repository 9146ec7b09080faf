"""The closed vocabulary of concurrency styles and of categories: what a manifest may say, and what each word means.

If each author chose the words, three of them would soon mean the same, and servers could not be compared or filtered.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import nearest
from harness.model import Implementation

UNKNOWN = "?"  # the style of an executable without a declaration

STYLES: Mapping[str, str] = {
    "thread per connection": "one or two threads of the operating system for each connection; they block",
    "green threads": "goroutines, virtual threads, fibers: they block without blocking a thread of the system",
    "actors": "objects or processes with mailboxes and, mostly, supervision",
    "async/await": "functions that say where they wait, on the loop of a runtime or of a library",
    "promises": "values that arrive later, and functions chained to them, without async and await",
    "generators": "functions that yield to a scheduler written in the server",
    "coroutines": "functions with stacks of their own, which may wait anywhere; the server or a library schedules them",
    "callbacks": "the event loop of a runtime or of a library calls functions or objects",
    "readiness loop": "an event loop of the server, on poll, epoll, selectors, mio or NIO: what can be read now",
    "completion loop": "an event loop of the server, on io_uring or the like: what has been read",
    "several processes": "processes that share one port or one room",
}

CATEGORIES: Mapping[str, str] = {
    "idiomatic": "what the maintainer of the library would write first, bounded and right",
    "tuned": "what a maintainer would ask to justify: batching by hand, shared buffers, fewer wake-ups",
    "engine": "brings its own scheduler, or calls the kernel through an FFI, to show the layer below",
}


def unknown_word(server: Implementation) -> tuple[str, str]:
    """Return the key of a declaration whose word is not in the vocabulary, and what is wrong; ("", "") if none is."""
    if server.style not in {UNKNOWN, *STYLES}:
        return "style", f'there is no style "{server.style}"{nearest(server.style, STYLES) or _known(STYLES)}'
    if server.category not in CATEGORIES:
        return "class", f'class "{server.category}" is none of {", ".join(CATEGORIES)}'
    return "", ""


def _known(words: Mapping[str, str]) -> str:
    return f"; known: {', '.join(words)}"
