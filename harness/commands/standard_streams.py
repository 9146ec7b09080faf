"""Standard input, output and error, made safe for every command, whatever they are connected to.

- A stream that is closed is connected to /dev/null, so that no file that is opened later takes its number.
- A character that the encoding of a stream lacks is written in ASCII: an arrow as "->".
- A command whose standard output cannot be written, to a full disk for instance, continues: what it writes to other
  files is not lost. `main` asks `why_lost` at the end. When the reader of a pipe has left, it ends by `ReaderLeft`.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from harness.errors import ReaderLeft
from harness.escapes import visible_lines

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READABLE = "harness_readable"  # the name of the error handler for codecs
ASCII = {
    **dict.fromkeys("─━╌═‒–—−", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╸╺", "+"),
    **dict.fromkeys("●•", "*"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **{"→": "->", "←": "<-", "…": "...", "≥": ">=", "≤": "<=", "≈": "~", "±": "+-", "×": "x", "·": ".", "µ": "u"},
}


class Sink(io.RawIOBase):
    """A file descriptor to write to; after the first failure, everything is discarded.

    Args:
        descriptor: the number of the file descriptor.
        has_reader: whether to raise ReaderLeft when it is a pipe that is read no more.
    """

    def __init__(self, descriptor: int, *, has_reader: bool) -> None:
        self._descriptor, self._has_reader = descriptor, has_reader
        self.failure: OSError | None = None

    def fileno(self) -> int:
        """Return the number of the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data; return how many bytes were written, or discarded.

        Raises:
            ReaderLeft: it is a pipe that is read no more, and `has_reader` is set.
        """
        view = memoryview(data)
        while self.failure is None:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:  # another process has made the pipe or terminal non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = error
        if isinstance(self.failure, BrokenPipeError) and self._has_reader:
            self._has_reader = False
            raise ReaderLeft from None
        return view.nbytes


def prepare() -> None:
    """Replace the three streams; called once, before anything is opened or printed."""
    for descriptor in range(3):
        _open_if_closed(descriptor)
    codecs.register_error(READABLE, _in_ascii)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = _text(1, sys.stdout, has_reader=True)
    sys.stderr = _text(2, sys.stderr, has_reader=False)


def why_lost() -> str:
    """Flush standard output; return why some of it could not be written, "" if all was or its reader has left.

    Raises:
        ReaderLeft: its reader has left just now.
    """
    sys.stdout.flush()
    sink = sys.stdout.buffer.raw if isinstance(sys.stdout.buffer, io.BufferedWriter) else None
    failure = sink.failure if isinstance(sink, Sink) else None
    return "" if failure is None or isinstance(failure, BrokenPipeError) else failure.strerror or str(failure)


def print_data(text: str) -> None:
    """Print JSON or XML: in UTF-8, which is part of these formats, and not in the encoding of the terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def print_error(sentence: str) -> None:
    """Print a sentence to standard error, with escapes for whatever could control a terminal."""
    print(f"harness: {visible_lines(sentence)}", file=sys.stderr, flush=True)


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        os.set_inheritable(descriptor, True)


def _text(descriptor: int, before: TextIO | None, *, has_reader: bool) -> io.TextIOWrapper:
    """Return a text stream in the encoding of the one before.

    Args:
        descriptor: the number of its file descriptor.
        before: the stream that Python made; None if it was closed.
        has_reader: as for `Sink`.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(Sink(descriptor, has_reader=has_reader)),
        encoding=before.encoding if before else "utf-8",
        errors=READABLE,
        line_buffering=bool(before and before.line_buffering),
    )


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""Replace characters that an encoding lacks; others than those of `ASCII` as their bytes in UTF-8: \xc3\xa9."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(ASCII.get(each) or _escaped(each) for each in characters), error.end


def _escaped(character: str) -> str:
    # A byte of a file's name that is no UTF-8 is a lone surrogate.
    data = character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")
    return "".join(rf"\x{byte:02x}" for byte in data)
