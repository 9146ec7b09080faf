"""serdy and untrusted bytes: a value or a DecodeError, never a partial value, excessive memory or another exception."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest

from spec.groupchat.serdy import BINARY, JSON, DecodeError, Format, dumps, loads
from tests.serdy_types import EXAMPLE, Byte, Chain, Color, Empty, Endless, Even, Everything, Point, Small, Tree, Word

HUGE = "80 80 80 80 80 80 80 80 10"  # 2**60 as a varint
# The type, the bytes, and the reason, path and offset of the error.
BINARY_REFUSED: dict[str, tuple[Any, str, str, str, int]] = {
    "nothing": (int, "", "1 bytes expected, 0 left", "$", 0),
    "trailing bytes": (bool, "01 00 00", "2 bytes after the end", "$", 1),
    "bool": (bool, "02", "0 or 1 expected, 2 found", "$", 0),
    "varint cut": (int, "80 80", "1 bytes expected, 0 left", "$", 2),
    "varint overlong": (int, "80 00", "more bytes than necessary", "$", 0),
    "varint overlong by one": (Word, "ac 82 00", "more bytes than necessary", "$", 0),
    "varint of 65 bits": (Word, "ff ff ff ff ff ff ff ff ff 02", "more than 64 bits", "$", 0),
    "varint of zeros": (Word, "80" * 12 + "00", "more than 64 bits", "$", 0),
    "varint without end": (Word, "ff" * 100, "more than 64 bits", "$", 0),
    "int out of range": (Byte, "80 02", "an int from 0 to 255", "$", 0),
    "int below": (Small, "05", "an int from -2 to 3", "$", 0),
    "int above": (Small, "08", "an int from -2 to 3", "$", 0),
    "float cut": (float, "00 00 00", "8 bytes expected, 3 left", "$", 0),
    "nan": (float, "00 00 00 00 00 00 f8 7f", "a finite float", "$", 0),
    "infinity": (float, "00 00 00 00 00 00 f0 ff", "a finite float", "$", 0),
    "text cut": (str, "03 61 62", "3 bytes announced, 2 bytes left", "$", 0),
    "text huge": (str, HUGE, "1152921504606846976 bytes announced, 0", "$", 0),
    "text no UTF-8": (str, "02 61 ff", "byte 1 of the text is not UTF-8", "$", 1),
    "text surrogate": (str, "03 ed a0 80", "byte 0 of the text is not UTF-8", "$", 1),
    "text overlong": (str, "02 c0 80", "byte 0 of the text is not UTF-8", "$", 1),
    "bytes huge": (bytes, HUGE + "00", "bytes announced, 1 bytes left", "$", 0),
    "option": (int | None, "02", "0 or 1 expected", "$", 0),
    "option cut": (int | None, "01", "1 bytes expected, 0 left", "$", 1),
    "list huge": (list[int], HUGE, "items announced, 0 bytes left", "$", 0),
    "list of nothing huge": (list[Empty], HUGE + "00 00", "items announced, 2 bytes left", "$", 0),
    "list cut": (list[str], "02 01 61", "1 bytes expected, 0 left", "$[1]", 3),
    "lists in lists huge": (list[list[Empty]], "01" + HUGE, "items announced, 0 bytes left", "$[0]", 1),
    "map huge": (dict[str, Empty], HUGE + "00 00", "entries announced, 2 bytes left", "$", 0),
    "map twice": (dict[str, Byte], "02 01 61 01 01 61 02", "a repeated key", "$['a']", 5),
    "map twice the same": (dict[str, Byte], "02 01 61 01 01 61 01", "a repeated key", "$['a']", 5),
    "map out of order": (dict[str, Byte], "02 01 62 01 01 61 01", "out of order", "$", 4),
    "enum": (Color, "03", "a position below 3 expected, 3 found", "$", 0),
    "union": (Empty | Point, "02 00", "a position below 2 expected", "$", 0),
    "empty struct": (Empty, "01", "0 expected", "$", 0),
    "struct cut": (Point, "02", "1 bytes expected, 0 left", "$.y", 1),
    "tree in depth": (Tree, "00 01" * 1000, "more than 100 nested values", "$" + ".children[0]" * 50, 99),
    "chain in depth": (Chain, "01" * 100_000, "more than 100 nested values", "$" + ".next" * 100, 99),
    "nothing in depth": (Endless, "", "more than 100 nested values", "$" + ".next" * 100, 0),
    "rule of a class": (Even, "06", "not a valid Even: 3 is odd", "$", 0),
}
JSON_REFUSED: dict[str, tuple[Any, str, str, str, int]] = {
    "nothing": (int, "  ", "an int expected", "$", 2),
    "trailing bytes": (bool, "true false", "5 bytes after the end", "$", 5),
    "half a word": (bool, "tru", "true or false expected", "$", 0),
    "bool as int": (int, "true", "an int expected", "$", 0),
    "int as bool": (bool, "1", "true or false expected", "$", 0),
    "int as str": (str, "1", "a string expected", "$", 0),
    "str as int": (int, '"1"', "an int expected", "$", 0),
    "float as int": (int, "1.0", "an int expected", "$", 0),
    "exponent as int": (int, "1e2", "an int expected", "$", 0),
    "leading zero": (int, "01", "an int expected", "$", 0),
    "plus": (int, "+1", "an int expected", "$", 0),
    "int huge": (int, "9" * 100_000, "more than 64 bits", "$", 0),
    "int out of range": (Byte, " 256", "an int from 0 to 255", "$", 1),
    "NaN": (float, "NaN", "a number expected", "$", 0),
    "Infinity": (float, "-Infinity", "a number expected", "$", 0),
    "float too large": (float, "1e999", "a finite float", "$", 0),
    "float huge": (float, "9" * 100_000, "a finite float", "$", 0),
    "point without digits": (float, "1.", "1 bytes after the end", "$", 1),
    "null": (int, "null", "an int expected", "$", 0),
    "text cut": (str, '"ab', "a string expected", "$", 0),
    "text line": (str, '"a\nb"', "a string expected", "$", 0),
    "text escape": (str, r'"\x"', "an invalid escape", "$", 0),
    "text escape cut": (str, r'"\u12"', "an invalid escape", "$", 0),
    "text surrogate": (str, r'"a\ud800"', "character 1 is a lone surrogate", "$", 0),
    "text no UTF-8": (str, '"\udcff"', "not UTF-8", "$", 0),
    "text surrogate in UTF-8": (str, '"\udced\udca0\udc80"', "not UTF-8", "$", 0),
    "base64 characters": (bytes, '"a-_="', "not base64", "$", 0),
    "base64 letters": (bytes, '"é"', "not base64", "$", 0),
    "base64 padding": (bytes, '"AA"', "not base64", "$", 0),
    "base64 bits left": (bytes, '"AB=="', "not base64", "$", 0),
    "list cut": (list[int], "[1,2", ", expected", "$", 4),
    "list comma": (list[int], "[1,]", "an int expected", "$[1]", 3),
    "list no comma": (list[int], "[1 2]", ", expected", "$", 3),
    "list in depth": (
        Tree,
        '{"value":1,"children":[' * 1000,
        "more than 100 nested values",
        "$" + ".children[0]" * 50,
        1150,
    ),
    "chain in depth": (Chain, '{"next":' * 100_000, "more than 100 nested values", "$" + ".next" * 100, 800),
    "array for an object": (Point, "[1,2]", "{ expected", "$", 0),
    "map twice": (dict[str, int], '{"a":1,"\\u0061":2}', "a repeated key", "$['a']", 15),
    "map twice an int": (dict[int, int], '{"0":1,"-0":2}', "a repeated key", "$[0]", 11),
    "map int bare": (dict[int, int], "{1:1}", "an int in quotes expected", "$[0]", 1),
    "map int no int": (dict[int, int], '{"1.5":1}', "an int in quotes expected", "$[0]", 1),
    "map colon": (dict[int, int], '{"1",1}', ": expected", "$[0]", 4),
    "enum": (Color, '"PINK"', "'PINK' is not one of: RED, GREEN, BLUE", "$", 0),
    "enum alias": (Color, '"ROUGE"', "'ROUGE' is not one of", "$", 0),
    "field unknown": (Point, '{"x":1,"y":2,"z":3}', "'z' is not one of: x, y", "$", 13),
    "field twice": (Point, '{"x":1,"x":2,"y":3}', "a repeated field", "$.x", 10),
    "field missing": (Point, '{"x":1}', "field y of Point is missing", "$", 6),
    "field missing with a default": (Tree, '{"value":1}', "field children of Tree is missing", "$", 10),
    "union unknown": (Empty | Point, '{"Tree":{}}', "'Tree' is not one of: Empty, Point", "$", 1),
    "union of none": (Empty | Point, "{}", "a string expected", "$", 1),
    "union of two": (Empty | Point, '{"Empty":{},"Empty":{}}', "} expected", "$", 11),
    "rule of a class": (Even, '{"value":3}', "not a valid Even: 3 is odd", "$", 10),
}


def refused(data: bytes, annotation: Any, format: Format, reason: str, path: str, offset: int) -> None:
    """Check that decoding these bytes raises an error with these attributes, and takes little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=reason) as caught:
            loads(data, annotation, format)
        assert tracemalloc.get_traced_memory()[1] < 100_000 + 3 * len(data)
    finally:
        tracemalloc.stop()
    assert (caught.value.path, caught.value.offset) == (path, offset)
    assert str(caught.value) == f"{path}, byte {offset}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("annotation", "data", "reason", "path", "offset"), BINARY_REFUSED.values(), ids=BINARY_REFUSED
)
def test_binary_refuses(annotation: Any, data: str, reason: str, path: str, offset: int) -> None:
    refused(bytes.fromhex(data), annotation, BINARY, reason, path, offset)


@pytest.mark.parametrize(("annotation", "text", "reason", "path", "offset"), JSON_REFUSED.values(), ids=JSON_REFUSED)
def test_json_refuses(annotation: Any, text: str, reason: str, path: str, offset: int) -> None:
    refused(text.encode(errors="surrogateescape"), annotation, JSON, reason, path, offset)


@pytest.mark.parametrize("format", [BINARY, JSON], ids=["binary", "json"])
def test_no_prefix_of_a_value_is_a_value(format: Format) -> None:
    data = dumps(EXAMPLE, Everything, format)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            loads(data[:size], Everything, format)


def test_json_accepts_what_rfc_8259_leaves_free() -> None:
    assert loads(b' { "y" : 2 ,\t"x"\r\n: 1 } ', Point, JSON) == Point(1, 2)
    assert loads(rb'"\u00e9\ud83d\ude00\/"', str, JSON) == "é😀/"
    assert loads(b"[1, 2e0, -0, 1E-1]", list[float], JSON) == [1.0, 2.0, 0.0, 0.1]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return these bytes with a few of them changed, removed, inserted or repeated."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(result) + 1)
        match rng.randrange(4):
            case 0:
                result[at : at + 1] = bytes([rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])])
            case 1:
                del result[at : at + rng.choice([1, 1, 2, 8])]
            case 2:
                result[at:at] = rng.randbytes(rng.choice([1, 1, 2, 8]))
            case 3:
                result[at:at] = result[at : at + rng.randrange(20)]
    return bytes(result)


def test_random_bytes_encode_a_value_with_the_same_bytes_or_are_refused() -> None:
    rng = random.Random(20)
    seed = dumps(EXAMPLE, Everything)
    values = 0
    for number in range(100_000):
        annotation: Any = Everything
        match number % 4:
            case 0:
                data = mutated(rng, seed)
            case 1:
                data, annotation = rng.randbytes(rng.randrange(20)), list[Tree] | None
            case 2:
                data = bytes(rng.choices((0, 1, 2, 3, 4, 97, 128, 255), k=rng.randrange(40)))
            case 3:
                data = bytes(rng.choices((0, 1, 2, 3, 97), k=rng.randrange(12)))
                annotation = dict[str, Empty | Point | Tree]
        try:
            value = loads(data, annotation)
        except DecodeError:
            continue
        values += 1
        assert dumps(value, annotation) == data
    assert values > 1000  # otherwise the test proves nothing


def test_random_texts_encode_a_value_or_are_refused() -> None:
    rng = random.Random(21)
    seed = dumps(EXAMPLE, Everything, JSON)
    values = 0
    for _ in range(5_000):
        try:
            value = loads(mutated(rng, seed), Everything, JSON)
        except DecodeError:
            continue
        values += 1
        assert loads(dumps(value, Everything, JSON), Everything, JSON) == value
    assert values > 50
