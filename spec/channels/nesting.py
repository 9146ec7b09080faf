"""JSON texts, however deeply nested: `json.loads` gives up after some thousand levels, and a server may not."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^"\[\]{}]++|.', re.DOTALL)  # a string, a bracket, or what is between them
KEPT = 2  # levels: a line is an object in an object


def parsed(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError when it is none.

    Where it is nested more deeply than `json.loads` can read, lists and objects within the first two levels are null.
    """
    try:
        return json.loads(text, parse_int=float, parse_constant=_refuse)  # int() refuses thousands of digits
    except RecursionError:
        return parsed(_flat(text))


def _flat(text: str) -> str:
    """Return a JSON text with null for each valid list and object within the first two levels."""
    levels: list[list[str]] = [[]]  # what has been read of each list and object that is open
    for token in TOKEN.findall(text):
        if token in ("[", "{"):
            levels.append([token])
        elif token in ("]", "}") and len(levels) > 1:
            closed = "".join((*levels.pop(), token))
            if len(levels) > KEPT:
                parsed(closed)
                closed = "null"
            levels[-1].append(closed)
        else:
            levels[-1].append(token)
    if len(levels) > 1:
        raise ValueError(f"{len(levels) - 1} lists and objects have no end")
    return "".join(levels[0])


def _refuse(constant: str) -> NoReturn:
    """Python takes NaN and Infinity, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")
