"""Each language of the zoo: comments and what only looks like one, imports, functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.zoo.code_lines import count_code_lines
from harness.zoo.language import BY_SUFFIX, functions, imports, language_of

# Source, its lines of code, what it imports, and its functions.
SAMPLES = {
    ".rb": ('require "set"\n# one\ndef serve(a) # two\n  "# none"\nend\n', 4, 1, ["serve"]),
    ".cr": ('require "socket"\n\n# one\ndef serve(a)\n  "#{a}"\nend\n', 4, 1, ["serve"]),
    ".pl": ("use strict;\n# one\nsub serve {\n  return $#list;\n}\n", 4, 1, ["serve"]),
    ".php": ("<?php\nuse FFI;\n/* one\n two */\n#[Attribute]\nfunction serve($a) { // three\n}\n", 5, 1, ["serve"]),
    ".lua": (
        'local uv = require("luv")\n--[[ one\ntwo ]]\nlocal function serve(a) -- three\n  return "--"\nend\n',
        4,
        1,
        ["serve"],
    ),
    ".nim": ("import std/asyncnet\n#[ one\ntwo ]#\nproc serve(a: int) = # three\n  echo '#'\n", 3, 1, ["serve"]),
    ".ml": ('open Lwt\n(* one\ntwo *)\nlet rec serve a =\n  "(* none *)"\nlet limit = 3\n', 4, 1, ["serve"]),
    ".rkt": (
        "#lang racket/base\n(require racket/tcp)\n#| one\ntwo |#\n(define (serve a) ; three\n  #\\;)\n",
        4,
        1,
        ["serve"],
    ),
    ".lisp": (
        '(require :sb-posix)\n#| one\ntwo |#\n(defun serve (a) ; three\n  (list "; none" #\\;))\n',
        3,
        1,
        ["serve"],
    ),
    ".clj": (
        '(ns server\n  (:require [clojure.core.async :as a]))\n; one\n(defn serve [a] ; two\n  (list "; none" \\;))\n',
        4,
        1,
        ["serve"],
    ),
    ".adb": (
        'with GNAT.Sockets; use GNAT.Sockets;\n--  one\nprocedure Serve (A : T) is -- two\n   B := "-- none";\n',
        3,
        1,
        ["Serve"],
    ),
    ".d": ("import core.time;\n/* one */\nvoid serve(int a) // two\n{\n}\n", 4, 1, []),
    ".ex": ("defmodule Room do\n  # one\n  alias Room.Client\n  def serve(a), do: a\nend\n", 4, 1, ["serve"]),
    ".erl": ("-module(room).\n% one\nserve(A) -> A.\n", 2, 0, ["serve"]),
    ".hs": ("import Data.IORef\n{- one\ntwo -}\nserve :: Int -> Int\nserve a = a -- three\n", 3, 1, ["serve"]),
}


@pytest.mark.parametrize("suffix", SAMPLES)
def test_lines_imports_and_functions_are_found(suffix: str, tmp_path: Path) -> None:
    text, lines, import_count, names = SAMPLES[suffix]
    source = tmp_path / f"server{suffix}"
    source.write_text(text)
    assert count_code_lines(source) == lines
    language = language_of(source, text)
    assert len(imports(text, language)) == import_count
    assert [name for name, _ in functions(text, language)] == names


def test_every_server_of_the_zoo_is_in_a_known_language() -> None:
    sources = [file for folder in Path(__file__).parent.parent.glob("impls/*_impl") for file in folder.iterdir()]
    unknown = {
        file.name
        for file in sources
        if file.stem.lower() in ("broadcast", "channels", "groupchat") and file.suffix not in BY_SUFFIX
    }
    assert unknown == set()
