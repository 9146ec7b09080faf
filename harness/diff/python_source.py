"""Finds comments, docstrings, imports and functions in Python sources, with Python's own tokenizer and parser."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import lru_cache

from harness.zoo.language import TextSpan

_parsed = lru_cache(maxsize=2)(ast.parse)  # several functions below look at one text after the other
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def comments(text: str) -> list[TextSpan]:
    """Return the spans of comments and docstrings, in order.

    Raises:
        SyntaxError: the text is not Python.
    """
    starts, tree = _line_starts(text), _parsed(text)
    spans = [
        (starts[token.start[0]] + token.start[1], starts[token.end[0]] + token.end[1])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | Definition) and ast.get_docstring(node, clean=False) is not None:
            spans.append(_span(node.body[0], text, starts))
    return sorted(spans)


def imports(text: str) -> list[TextSpan]:
    """Return the spans of import statements, and of `if` statements that contain nothing else.

    Raises:
        SyntaxError: the text is not Python.
    """
    starts = _line_starts(text)
    return [_span(node, text, starts) for node in _imports(_parsed(text))]


def _imports(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and _only_imports(child):
            yield child
        else:
            yield from _imports(child)


def _only_imports(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return all(map(_only_imports, [*node.body, *node.orelse]))
    return isinstance(node, ast.Import | ast.ImportFrom)


def functions(text: str) -> list[tuple[str, int, int]]:
    """Return the name, first line and last line (from 1) of each function and class, outer before inner.

    The name of a nested definition includes the outer name: "Client.send".

    Raises:
        SyntaxError: the text is not Python.
    """
    return list(_functions(_parsed(text), ""))


def _functions(node: ast.AST, outer: str) -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield f"{outer}{child.name}", child.lineno, child.end_lineno or child.lineno
            yield from _functions(child, f"{outer}{child.name}.")
        else:
            yield from _functions(child, outer)


def _line_starts(text: str) -> list[int]:
    """Return the offset at which each line starts; the index is the line number, from 1."""
    starts = [0, 0]
    for line in io.StringIO(text):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: ast.stmt, text: str, starts: list[int]) -> TextSpan:
    def offset(line: int, column: int) -> int:
        # The parser counts columns in bytes, a span is in characters.
        return starts[line] + len(text[starts[line] :].partition("\n")[0].encode()[:column].decode())

    return offset(node.lineno, node.col_offset), offset(node.end_lineno or 0, node.end_col_offset or 0)
