"""Counts a server's lines of code: lines to read, without blank lines, comments and docstrings."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

from harness.model import Implementation
from harness.zoo.language import comments, language_of


def code_lines(implementation: Implementation) -> int:
    """Return the number of lines of code in a server's source; 0 if it has no source."""
    if implementation.source is None:
        return 0
    return count_code_lines(implementation.source)


def count_code_lines(source: Path) -> int:
    """Return the number of lines that hold more than white space, a comment, or (in Python) a docstring."""
    text = source.read_text("utf-8", errors="replace")
    if source.suffix == ".py":
        return _python_lines(text)
    language = language_of(source, text)
    for begin, end in reversed(comments(text, language)):
        text = text[:begin] + "\n" * text.count("\n", begin, end) + text[end:]
    return sum(bool(line.strip()) and not line.startswith("#!") for line in text.split("\n"))


def _python_lines(text: str) -> int:
    skip = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)
