"""Python read by its own tokenizer and parser: comments, docstrings, imports, functions."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from harness.zoo.language import Span

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def comments(text: str) -> list[Span]:
    """Return where comments and docstrings stand, as pairs of places in the text; raise SyntaxError."""
    starts, tree = _starts(text), ast.parse(text)
    found = [
        (starts[token.start[0]] + token.start[1], starts[token.end[0]] + token.end[1])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | Definition) and ast.get_docstring(node, clean=False) is not None:
            found.append(_span(node.body[0], text, starts))
    return sorted(found)


def imports(text: str) -> list[Span]:
    """Return where imports stand; a condition around nothing but imports is one too. Raise SyntaxError."""
    starts = _starts(text)
    return [_span(node, text, starts) for node in _imports(ast.parse(text))]


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
    """Return the name of each function and class, its first and its last line (from 1), outer ones first.

    What is inside another has its name too: "Client.send". Raise SyntaxError.
    """
    return list(_functions(ast.parse(text), ""))


def _functions(node: ast.AST, outer: str) -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield f"{outer}{child.name}", child.lineno, child.end_lineno or child.lineno
            yield from _functions(child, f"{outer}{child.name}.")
        else:
            yield from _functions(child, outer)


def _starts(text: str) -> list[int]:
    """Return the place at which each line begins, by its number (from 1)."""
    starts = [0, 0]
    for line in io.StringIO(text):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: ast.stmt, text: str, starts: list[int]) -> Span:
    # The parser counts a line's bytes, we count its characters.
    def place(line: int, column: int) -> int:
        return starts[line] + len(text[starts[line] :].partition("\n")[0].encode()[:column].decode())

    return place(node.lineno, node.col_offset), place(node.end_lineno or 0, node.end_col_offset or 0)
