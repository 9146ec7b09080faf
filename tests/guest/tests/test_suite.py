"""The suite itself: its codec, its server, and whether its cases catch every mutant and blame no other server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lines_protocol.wire import CODEC


def harness(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["harness", *words], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_decoder_finds_all_lines_in_whatever_pieces_they_come(size: int) -> None:
    bodies = [b"one", b"", b"t\rwo\r"]
    stream = b"".join(map(CODEC.encode, bodies)) + b"unfinished"
    decoder = CODEC.reply_decoder()
    frames = [frame for place in range(0, len(stream), size) for frame in decoder.feed(stream[place : place + size])]
    assert [frame.body for frame in frames] == bodies
    assert [frame.offset for frame in frames] == [0, 4, 5]
    assert decoder.pending == b"unfinished"


def test_the_server_of_this_package_conforms(tmp_path: Path) -> None:
    ended = harness("check", "liner", folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_cases_catch_every_mutant_and_blame_no_conforming_server(tmp_path: Path) -> None:
    ended = harness("selftest", "--spec", "lines", folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
