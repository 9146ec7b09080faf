"""Finds comments, imports and functions in a source file of any language of the zoo, by regular expressions.

Regular expressions are enough for counting lines and for a diff that people read. For Python there is a parser
(see `harness.diff.python_source`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TextSpan = tuple[int, int]  # offsets in a text: of the first character, and after the last

TEXT = r'"(?:\\.|[^"\\\n])*"'
CHARACTER = r"'(?:\\[^\n']+|[^'\\\n]|\\')'"  # a single character, because Rust and Haskell use a lone ' otherwise
SINGLE = r"'(?:\\.|[^'\\\n])*'"
RAW = r"`[^`]*`"
BLOCK = r"/\*.*?\*/"
SLASHES = r"//[^\n]*"


@dataclass(frozen=True, kw_only=True)
class Language:
    """Regular expressions for a language; "" where it has no such thing.

    Attributes:
        comment: matches a comment, anywhere outside a literal.
        literal: matches a literal; comment signs inside it do not count.
        imports: matches a statement that only imports names, from the start of its first line.
        function: matches the first line of a function; its group "name" is the function's name.
    """

    comment: str = ""
    literal: str = f"{TEXT}|{CHARACTER}"
    imports: str = ""
    function: str = ""


# A name before a parenthesis, on a line that starts in column 1 and has no semicolon: git's rule for hunk headers.
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
JAVASCRIPT = Language(  # JavaScript and TypeScript
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
    literal=rf"{TEXT}|{SINGLE}|\$#",  # $# is the last index of an array
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
LISP = Language(
    comment=r"#\|.*?\|#|;[^\n]*",
    literal=rf"{TEXT}|#\\.",
    imports=r"^\((?:require|in-package)\s[^\n]*",
    function=r"^\(def(?:un|macro|generic|method)\s+(?P<name>[^\s()]+)",
)
CLOJURE = Language(
    comment=r";[^\n]*",
    literal=rf"{TEXT}|\\.",
    imports=r"^\(ns\s[^\n]*(?:\n[ \t]+[^\n]*)*",
    function=r"^\(defn-?\s+(?P<name>[^\s()]+)",
)
ADA = Language(
    comment=r"--[^\n]*",
    literal=r"\"[^\"\n]*\"|'[^\n]'",
    imports=r"^(?:with|use)\s[^;]*;[^\n]*",
    function=r"^\s*(?:(?:task|protected)\s+body|procedure|function|entry)\s+(?P<name>\w+)",
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
        (".js .mjs .cjs .ts", JAVASCRIPT),
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
        (".lisp", LISP),
        (".clj .cljc .cljs", CLOJURE),
        (".adb .ads", ADA),
    )
    for suffix in suffixes.split()
}


def language_of(path: Path, text: str) -> Language:
    """Return the language of a file, by its suffix or by the interpreter named in its first line.

    Args:
        path: the file; only its suffix is used.
        text: its contents.
    """
    if path.suffix in BY_SUFFIX:
        return BY_SUFFIX[path.suffix]
    first = text.partition("\n")[0]
    if first.startswith("#!"):
        return PYTHON if "python" in first else JAVASCRIPT if "node" in first else RUBY
    return PLAIN


def comments(text: str, language: Language) -> list[TextSpan]:
    """Return the spans of the comments in a text, in order."""
    if not language.comment:
        return []
    either = re.compile(f"(?P<literal>{language.literal})|(?P<comment>{language.comment})", re.DOTALL)
    return [match.span() for match in either.finditer(text) if match["comment"] is not None]


def imports(text: str, language: Language) -> list[TextSpan]:
    """Return the spans of the import statements in a text, in order."""
    if not language.imports:
        return []
    return [match.span() for match in re.finditer(language.imports, text, re.MULTILINE)]


def functions(text: str, language: Language) -> list[tuple[str, int]]:
    """Return the name and the first line (from 1) of each function."""
    if not language.function:
        return []
    lines = enumerate(text.split("\n"), 1)
    return [(match["name"], number) for number, line in lines if (match := re.search(language.function, line))]
