"""What must be known of a programming language to read it or to count its lines: comments, imports, functions.

Patterns are enough for what is shown to people; Python is read by its own parser (see `harness.diff.python_source`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

Span = tuple[int, int]  # places in a text: of its first character, and behind its last

TEXT = r'"(?:\\.|[^"\\\n])*"'
CHARACTER = r"'(?:\\[^\n']+|[^'\\\n]|\\')'"  # one character: in Rust and Haskell a lone ' is something else
SINGLE = r"'(?:\\.|[^'\\\n])*'"
RAW = r"`[^`]*`"
BLOCK = r"/\*.*?\*/"
SLASHES = r"//[^\n]*"


@dataclass(frozen=True, kw_only=True)
class Language:
    """Patterns of a language; "" for what it does not have.

    Attributes:
        comment: a comment, wherever it stands outside a literal.
        literal: a literal in which a comment is none.
        imports: a statement that only brings in names, from the beginning of its first line.
        function: the line on which a function begins; its group "name" is what it is called.
    """

    comment: str = ""
    literal: str = f"{TEXT}|{CHARACTER}"
    imports: str = ""
    function: str = ""


# A name before a parenthesis at the beginning of a line that is no statement's end: what git takes for one too.
C_FUNCTION = r"^(?!else\b|return\b|typedef\b)[A-Za-z_][\w\s*&:<>,~]*?[\s*&](?P<name>[\w:~]+)\s*\([^;]*$"
METHOD = r"^\s*(?!else\b|return\b|new\b|throw\b|await\b)(?:[\w<>\[\],.?]+\s+)+(?P<name>\w+)\s*\([^;]*\{\s*$"

C = Language(comment=f"{BLOCK}|{SLASHES}", imports=r"^[ \t]*#[ \t]*include[^\n]*", function=C_FUNCTION)
GO = Language(
    comment=f"{BLOCK}|{SLASHES}",
    literal=f"{TEXT}|{CHARACTER}|{RAW}",
    imports=r"^import\s*(?:\([^)]*\)|[^\n]*)",
    function=r"^func\s+(?:\([^)]*\)\s*)?(?P<name>\w+)",
)
RUST = Language(
    comment=f"{BLOCK}|{SLASHES}",
    imports=r"^[ \t]*(?:pub\s+)?(?:use\s[^;]*;|extern\s+crate\s[^;]*;)",
    function=r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:const\s+|async\s+|unsafe\s+)*fn\s+(?P<name>\w+)",
)
JAVA = Language(
    comment=f"{BLOCK}|{SLASHES}",
    imports=r"^[ \t]*(?:import|package|using|namespace)\s[^;{]*;",
    function=METHOD,
)
SCRIPT = Language(  # JavaScript and TypeScript
    comment=f"{BLOCK}|{SLASHES}",
    literal=f"{TEXT}|{SINGLE}|{RAW}",
    imports=r"^(?:import\b[^;\n]*(?:\{[^}]*\})?[^\n]*|(?:const|let|var)\s[^=\n]*=\s*require\([^\n]*)",
    function=r"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\*?\s+(?P<name>\w+)",
)
ZIG = Language(
    comment=SLASHES,
    imports=r"^const\s+\w+\s*=\s*@import\([^\n]*",
    function=r"^\s*(?:pub\s+)?(?:export\s+)?fn\s+(?P<name>\w+)",
)
HASKELL = Language(
    comment=r"\{-.*?-\}|--[^\n]*",
    imports=r"^import\s[^\n]*(?:\n[ \t]+[^\n]*)*",
    function=r"^(?P<name>[a-z_][\w']*)\s*::",
)
ERLANG = Language(
    comment=r"%[^\n]*", imports=r"^-(?:include|include_lib|import)\([^\n]*", function=r"^(?P<name>[a-z]\w*)\("
)
ELIXIR = Language(
    comment=r"#[^\n]*",
    imports=r"^[ \t]*(?:import|alias|require|use)\s[^\n]*",
    function=r"^\s*defp?\s+(?P<name>\w+[?!]?)",
)
RUBY = Language(
    comment=r"#[^\n]*",
    literal=f"{TEXT}|{SINGLE}",
    imports=r"^[ \t]*require(?:_relative)?\s[^\n]*",
    function=r"^\s*def\s+(?P<name>[\w.]+[?!]?)",
)
PERL = Language(
    comment=r"#[^\n]*",
    literal=rf"{TEXT}|{SINGLE}|\$#",  # the latter is the last index of an array
    imports=r"^use\s[^\n]*",
    function=r"^\s*sub\s+(?P<name>\w+)",
)
PHP = Language(
    comment=rf"{BLOCK}|{SLASHES}|#(?!\[)[^\n]*",
    literal=f"{TEXT}|{SINGLE}",
    imports=r"^(?:use|require|require_once)\s[^\n]*",
    function=r"^\s*(?:(?:public|private|static|final)\s+)*function\s+(?P<name>\w+)",
)
LUA = Language(
    comment=r"--\[\[.*?\]\]|--[^\n]*",
    literal=f"{TEXT}|{SINGLE}",
    imports=r"^local\s+\w+\s*=\s*require\b[^\n]*",
    function=r"^\s*(?:local\s+)?function\s+(?P<name>[\w.:]+)",
)
NIM = Language(
    comment=r"#\[.*?\]#|#[^\n]*",
    imports=r"^(?:import|from)\s[^\n]*",
    function=r"^\s*(?:proc|func|iterator|template)\s+(?P<name>\w+)",
)
OCAML = Language(
    comment=r"\(\*.*?\*\)",
    imports=r"^open!?\s[^\n]*",
    function=r"^(?:let(?:\s+rec)?|and)\s+(?P<name>\w+)\s+[^=\s]",
)
RACKET = Language(
    comment=r"#\|.*?\|#|;[^\n]*",
    literal=rf"{TEXT}|#\\.",
    imports=r"^\(require\s[^\n]*",
    function=r"^\(define\s+\((?P<name>[^\s()]+)",
)
PYTHON = Language()
PLAIN = Language()

BY_SUFFIX = {
    suffix: language
    for suffixes, language in (
        (".py .pyi", PYTHON),
        (".c .h .cc .cpp .cxx .hpp .hh .m", C),
        (".go", GO),
        (".rs", RUST),
        (".java .cs .kt .scala .swift .d", JAVA),
        (".js .mjs .cjs .ts", SCRIPT),
        (".zig", ZIG),
        (".hs", HASKELL),
        (".erl", ERLANG),
        (".ex .exs", ELIXIR),
        (".rb .cr .sh", RUBY),
        (".pl", PERL),
        (".php", PHP),
        (".lua", LUA),
        (".nim", NIM),
        (".ml", OCAML),
        (".rkt", RACKET),
    )
    for suffix in suffixes.split()
}


def language_of(path: Path, text: str) -> Language:
    """Return the language of a file, by its suffix, or by the interpreter that its first line names."""
    if path.suffix in BY_SUFFIX:
        return BY_SUFFIX[path.suffix]
    first = text.partition("\n")[0]
    if first.startswith("#!"):
        return PYTHON if "python" in first else SCRIPT if "node" in first else RUBY
    return PLAIN


def comments(text: str, language: Language) -> list[Span]:
    """Return where comments stand, as pairs of places in the text."""
    if not language.comment:
        return []
    either = re.compile(f"(?P<literal>{language.literal})|(?P<comment>{language.comment})", re.DOTALL)
    return [found.span() for found in either.finditer(text) if found["comment"] is not None]


def imports(text: str, language: Language) -> list[Span]:
    """Return where names are brought in from elsewhere, as pairs of places in the text."""
    if not language.imports:
        return []
    return [found.span() for found in re.finditer(language.imports, text, re.MULTILINE)]


def functions(text: str, language: Language) -> list[tuple[str, int]]:
    """Return the name and the line (from 1) of each function that begins."""
    if not language.function:
        return []
    lines = enumerate(text.split("\n"), 1)
    return [(found["name"], number) for number, line in lines if (found := re.search(language.function, line))]
