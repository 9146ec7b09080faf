"""Bytes as people type and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.escapes import to_bytes, to_text, visible


@given(st.binary())
def test_bytes_survive_being_shown_and_typed(data: bytes) -> None:
    assert to_bytes(to_text(data)) == data
    assert to_text(data).isprintable()


@given(st.text())
def test_a_text_without_backslashes_is_its_utf_8(text: str) -> None:
    text = text.replace("\\", "/")
    assert to_bytes(text) == text.encode()
    assert to_text(text.encode()) == visible(text)


@given(st.text(st.characters()))
def test_visible_text_cannot_control_a_terminal(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("typed", "data"),
    [
        (r"a\x00b\xfF", b"a\x00b\xff"),
        (r"\n\r\t\\", b"\n\r\t\\"),
        (r"\\x41", rb"\x41"),
        ("日本", "日本".encode()),
        ("\udcff", b"\xff"),
    ],
)
def test_escapes_are_bytes(typed: str, data: bytes) -> None:
    assert to_bytes(typed) == data


@pytest.mark.parametrize("typed", ["\\", r"\q", r"\x", r"\x4", r"\xg0", "a\\\n"])
def test_an_invalid_escape_is_rejected(typed: str) -> None:
    with pytest.raises(ValueError, match="is not an escape: use"):
        to_bytes(typed)
