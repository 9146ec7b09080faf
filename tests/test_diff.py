"""`harness diff`: no line is lost or invented, differences are marked, and the output fits the terminal."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from harness.diff.compare import DiffRow, changed_spans, compare
from harness.diff.show import safe
from harness.diff.side_by_side import fold, side_by_side
from harness.diff.source import Source, SourceLine, read, remove_spans
from harness.diff.stat import LineCounts, diff_stat
from harness.diff.unified import unified
from harness.zoo import language
from tests import exhibit
from tests.zoo import harness, lines_of

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "impls").rglob("*.py"))
# Few words, so that many lines are equal, similar or blank; and sometimes any text.
WORDS = st.sampled_from(["await ", "read", "(", ")", "  ", "x = ", "y", "日本", "\t", "#"])
LINES = st.lists(WORDS, max_size=5).map("".join) | st.text(st.characters(blacklist_characters="\n"), max_size=90)
TEXTS = st.lists(LINES, max_size=12)


def source(lines: Sequence[str], name: str = "first") -> Source:
    return Source(name, f"{name}.py", [SourceLine(number, text) for number, text in enumerate(lines, 1)], [])


def compared(left: Sequence[str], right: Sequence[str]) -> tuple[Source, Source, list[DiffRow]]:
    ours, theirs = source(left), source(right, "other")
    return ours, theirs, compare(ours.lines, theirs.lines)


@given(TEXTS, TEXTS)
def test_the_rows_contain_every_line_of_both_sources_in_order(left: list[str], right: list[str]) -> None:
    ours, theirs, rows = compared(left, right)
    assert [row.left for row in rows if row.left] == list(ours.lines)
    assert [row.right for row in rows if row.right] == list(theirs.lines)
    assert all(row.left or row.right for row in rows)


def applied(lines: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return the lines after applying a unified diff, as `patch` would."""
    result: list[str] = []
    taken = 0
    for line in shown[2:]:
        if match := re.match(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", line):
            first = int(match[1]) - (match[2] != "0")
            result += lines[taken:first]
            taken = first
        elif line[0] == "+":
            result.append(line[1:])
        else:
            assert lines[taken] == line[1:]
            taken += 1
            if line[0] == " ":
                result.append(line[1:])
    return result + list(lines[taken:])


@given(TEXTS, TEXTS, st.integers(0, 4))
def test_a_unified_diff_turns_one_source_into_the_other(left: list[str], right: list[str], context: int) -> None:
    left, right = [safe(line) for line in left], [safe(line) for line in right]
    shown = [line.plain for line in unified(*compared(left, right), context)]
    assert applied(left, shown) == right


def unchanged(line: str, spans: Sequence[tuple[int, int]]) -> str:
    changed = {index for first, last in spans for index in range(first, last)}
    return "".join(character for index, character in enumerate(line) if index not in changed)


@given(LINES, LINES)
def test_without_the_changed_spans_two_lines_are_equal(left: str, right: str) -> None:
    ours, theirs = changed_spans(left, right)
    assert unchanged(left, ours) == unchanged(right, theirs)
    assert left != right or not ours


@pytest.mark.parametrize(
    ("left", "right", "ours", "theirs"),
    [
        ("x = read()", "x = await read()", [], ["await "]),
        ("def serve(a):", "async def serve(a):", [], ["async "]),
        ("    while c := a.recv(N):", "    while c := await b.read(N):", ["a", "recv"], ["await b", "read"]),
        ("f(a)", "f(a, b)", [], [", b"]),
        ("x", "    x", [], ["    "]),
        ("the same", "the same", [], []),
    ],
)
def test_the_words_that_differ_are_marked(left: str, right: str, ours: list[str], theirs: list[str]) -> None:
    spans = changed_spans(left, right)
    assert [left[first:last] for first, last in spans[0]] == ours
    assert [right[first:last] for first, last in spans[1]] == theirs


def test_lines_are_paired_by_similarity_not_by_position() -> None:
    _, _, rows = compared(
        ["a = connection.recv(CHUNK)", "writer.join()"],
        ["something = entirely.different", "", "a = await connection.recv(CHUNK)", "# a word", "await writer.join()"],
    )
    pairs = [(row.left.text, row.right.text) for row in rows if row.left and row.right]
    assert pairs == [
        ("a = connection.recv(CHUNK)", "a = await connection.recv(CHUNK)"),
        ("writer.join()", "await writer.join()"),
    ]


@given(TEXTS, TEXTS, st.integers(30, 130))
def test_two_columns_fit_the_terminal(left: list[str], right: list[str], width: int) -> None:
    for line in side_by_side(*compared(left, right), 3, width):
        assert cell_len(line.plain) <= width, line.plain
        assert "\t" not in line.plain and "\n" not in line.plain


@given(LINES, st.integers(8, 60))
def test_a_folded_line_loses_nothing_but_white_space(line: str, room: int) -> None:
    pieces = fold(Text(safe(line)), room)
    assert "".join(piece.plain for piece in pieces).split() == safe(line).split() or "".join(
        "".join(piece.plain.split()) for piece in pieces
    ) == "".join(safe(line).split())
    assert all(cell_len(piece.plain) <= room for piece in pieces)


def test_a_line_is_folded_between_words_and_its_continuation_is_indented() -> None:
    pieces = fold(Text("    wake = field(default_factory=threading.Condition)"), 44)
    assert [piece.plain for piece in pieces] == ["    wake = field(", "      default_factory=threading.Condition)"]


@given(st.text(max_size=40))
def test_the_output_is_safe_for_a_terminal(text: str) -> None:
    assert safe(text).replace("\t", "").isprintable()
    assert len(safe(text)) == len(text)


def without_docstrings(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            del node.body[: ast.get_docstring(node) is not None]
    return ast.dump(tree)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: "/".join(file.parts[-2:]))
def test_without_comments_python_is_the_same_program(file: Path) -> None:
    left = "\n".join(line.text for line in read("it", file, with_comments=False).lines)
    assert not re.search(r"(^|\s)# ", left)
    try:
        tree = ast.dump(ast.parse(left))
    except IndentationError:  # a class with only a docstring
        return
    assert tree == without_docstrings(file.read_text("utf-8"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: "/".join(file.parts[-2:]))
def test_without_imports_nothing_else_is_lost(file: Path) -> None:
    whole, left = read("it", file), read("it", file, with_imports=False)
    lost = {line.number for line in whole.lines} - {line.number for line in left.lines}
    text = {line.number: line.text for line in whole.lines}
    wrong = [text[number] for number in lost if not re.search(r"import|TYPE_CHECKING|^[\w ,()]*$|else:", text[number])]
    assert wrong == []
    assert not any(re.match(r"\s*(import|from) ", line.text) for line in left.lines)


@pytest.mark.parametrize(
    ("suffix", "text", "left"),
    [
        (".c", '#include <a.h>\nint x; // y\n/* a\n b */\nchar *s = "// no";\n', ["int x;", 'char *s = "// no";']),
        (".go", 'import (\n\t"net"\n)\nvar s = `/*` // y\nr := \'"\' // x\n', ["var s = `/*`", "r := '\"'"]),
        (".rs", "use std::{\n  a,\n  b};\nfn f<'a>(x: &'a str) {} // it's\n", ["fn f<'a>(x: &'a str) {}"]),
        (".hs", "import A\n  ( b )\nf :: Int -- x\n{- a\n-}\n", ["f :: Int"]),
        (".py", "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\nx = '#' # y\n", ["x = '#'"]),
        (".py", 'def f():\n    """日本"""; x = "日"  # é\n', ["def f():", '    ; x = "日"']),
        ("", "#!/usr/bin/env python3\nimport a\n# b\nx\n\n# c\n\ny\n", ["x", "", "y"]),
        ("", "// kept: unknown language\n", ["// kept: unknown language"]),
    ],
)
def test_comments_and_imports_are_left_out(suffix: str, text: str, left: list[str], tmp_path: Path) -> None:
    (tmp_path / f"server{suffix}").write_text(text)
    source = read("it", tmp_path / f"server{suffix}", with_comments=False, with_imports=False)
    assert [line.text for line in source.lines] == left
    lines = text.split("\n")
    assert all(line.text.strip("; ") in lines[line.number - 1] for line in source.lines)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=6))
def test_removing_spans_keeps_all_other_text(lines: list[str], offsets: list[int]) -> None:
    text = "\n".join(lines)
    spans = [(first, last) for first, last in zip(sorted(offsets)[::2], sorted(offsets)[1::2], strict=False)]
    removed = {offset for first, last in spans for offset in range(first, last)}
    expected = "".join(character for offset, character in enumerate(text) if offset not in removed)
    rest = remove_spans(text, spans)
    assert "".join("".join(line.split()) for _, line in rest) == "".join(expected.split())
    assert [number for number, _ in rest] == sorted({number for number, _ in rest})
    assert remove_spans(text, []) == list(enumerate(text.split("\n") if text else [], 1)) or text.endswith("\n")


def test_functions_are_found_in_other_languages() -> None:
    text = "static void stop(int number)\n{\n  if (x) {\n  }\n}\nint main(int c, char **v)\n{\n  return f(1);\n}\n"
    assert language.functions(text, language.C) == [("stop", 1), ("main", 6)]
    text = "func (c *Client) write(x int) error {\n\tgo func() {}()\n}\n\nfunc main() {\n}\n"
    assert language.functions(text, language.GO) == [("write", 1), ("main", 5)]


def test_stat_counts_lines_and_functions(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n\ndef f():\n    return read(x)\n\ndef g():\n    pass\n")
    (tmp_path / "b.py").write_text("x = 1\n\nasync def f():\n    y = 2\n    return await read(x)\n")
    left, right = read("a", tmp_path / "a.py"), read("b", tmp_path / "b.py")
    counts = diff_stat(left, right, compare(left.lines, right.lines))
    assert counts.lines == LineCounts(equal=1, changed=2, only_left=2, only_right=1)
    assert counts.functions == {"f": LineCounts(changed=2, only_right=1)}
    assert (counts.common, counts.only_left, counts.only_right) == (["f"], ["g"], [])
    assert 0.5 < counts.similarity < 0.8


@given(TEXTS, TEXTS)
def test_stat_counts_every_line_once(left: list[str], right: list[str]) -> None:
    ours, theirs, rows = compared(left, right)
    counts = diff_stat(ours, theirs, rows)
    lines = [[line.split() for line in side if line.strip()] for side in (left, right)]
    total = counts.lines
    assert 2 * (total.equal + total.changed) + total.only_left + total.only_right >= sum(map(len, lines))
    assert 0 <= counts.similarity <= 1
    assert lines[0] != lines[1] or counts.similarity == 1


# --- the command


def test_the_sync_and_the_async_version_side_by_side(tmp_path: Path) -> None:
    for columns in (80, 120):
        shown = harness("diff", "threads", "asyncio", "-y", "--no-comments", folder=tmp_path, columns=columns)
        assert shown.returncode == 0
        assert max(map(len, shown.stdout.splitlines())) <= columns
        assert re.search(r"def broadcast\(batch: bytes\) .*\| +\d+ async def broadcast\(batch: bytes\)", shown.stdout)
        assert "#" not in shown.stdout and "\x1b" not in shown.stdout


def test_a_unified_diff_in_a_pipe_has_headings_and_no_escape_codes(tmp_path: Path) -> None:
    shown = harness("diff", "threads", "asyncio", folder=tmp_path).stdout
    assert "\x1b" not in shown
    assert shown.splitlines()[0].endswith("impls/threads_impl/broadcast.py\tthreads")
    assert re.search(r"^@@ -\d+,\d+ \+\d+,\d+ @@ def broadcast\(batch: bytes\) -> None$", shown, re.MULTILINE)
    assert "-def flush" not in shown and "+async def broadcast" in shown


def test_colours_and_marks_on_request(tmp_path: Path) -> None:
    shown = harness("diff", "threads", "asyncio", "--color", "always", folder=tmp_path).stdout
    assert re.search(r"\x1b\[7;32masync \x1b\[0m\x1b\[32mdef broadcast", shown)
    plain = harness("diff", "threads", "asyncio", "--color", "never", folder=tmp_path).stdout
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in shown.splitlines()] == plain.expandtabs().splitlines()


def test_context_has_the_given_number_of_lines(tmp_path: Path) -> None:
    shown = harness("diff", "threads", "asyncio", "--context", "0", folder=tmp_path).stdout
    assert not any(line.startswith(" ") for line in shown.splitlines())
    everything = harness("diff", "threads", "asyncio", "--context", "9999", folder=tmp_path).stdout
    threads, aio = (ROOT / "impls" / f"{name}_impl" / "broadcast.py" for name in ("threads", "asyncio"))
    assert everything.count("\n@@ ") == 1
    lines = everything.splitlines()[3:]
    assert [line[1:] for line in lines if line[0] in " -"] == threads.read_text().splitlines()
    assert [line[1:] for line in lines if line[0] in " +"] == aio.read_text().splitlines()
    fewest = sum(
        line[0] in "+-" for line in difflib.ndiff(threads.read_text().splitlines(), aio.read_text().splitlines())
    )
    assert sum(line[0] in "+-" for line in lines) <= 1.1 * fewest


def test_equal_sources_are_reported(tmp_path: Path) -> None:
    shown = harness("diff", "asyncio", ROOT / "impls" / "asyncio_impl", "--spec", "broadcast", folder=tmp_path)
    assert (shown.stdout, shown.returncode) == ("asyncio and asyncio do not differ\n", 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["asyncio"], "Missing argument 'B'"),
        (["asynccio", "threads"], 'there is no server "asynccio"; did you mean asyncio?'),
        (["./nothing", "threads"], "there is no file ./nothing"),
        (["binary", "threads"], '"binary" has no source to read: binary is not a text file'),
        (["near", "far"], '"near" serves channels, "far" serves groupchat: they have no spec in common'),
        (["far", "far"], '"far" has no source to read: its manifest names none'),
        (["asyncio", "far", "--spec", "broadcast"], '"far" does not serve broadcast; it serves groupchat'),
        (["asyncio", "threads", "--spec", "brodcast"], 'there is no spec "brodcast"; did you mean broadcast?'),
        (["asyncio", "threads", "--context", "-1"], "-1 is not in the range"),
        (["asyncio", "torn.py", "--no-comments"], "torn.py, line 2: not Python"),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    for name, spec in (("far", "groupchat"), ("near", "channels")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "impl.toml").write_text(f'name = "{name}"\nspec = "{spec}"\nrun = ["x"]\n')
    (tmp_path / "binary").write_bytes(b"\x7fELF\0")
    (tmp_path / "torn.py").write_text("x = 1\ny = (\n")
    ended = harness("diff", *words, folder=tmp_path)
    assert sentence in ended.stderr
    assert len(lines_of(ended.stderr)) == 1
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_file_with_a_syntax_error_is_still_shown(tmp_path: Path) -> None:
    (tmp_path / "torn.py").write_text("x = 1\ny = (\n")
    (tmp_path / "whole.py").write_text("x = 1\ny = ()\n")
    shown = harness("diff", "torn.py", "whole.py", folder=tmp_path).stdout
    assert shown.splitlines()[-2:] == ["-y = (", "+y = ()"]


def test_the_diff_in_the_readme_is_what_the_command_prints() -> None:
    assert exhibit.shown() == exhibit.exhibit(), "make exhibit"
