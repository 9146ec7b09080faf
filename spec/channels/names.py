"""Names of channels that are easily mistaken for each other, or for something else."""

from __future__ import annotations

NAMES = [
    "",
    " ",
    "rust",
    "Rust",
    "RUST",
    " rust",
    "rust ",
    "rust\n",
    "rust\0",
    "rus",
    "rusty",
    "ru*",
    "\u00e9",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "stra\u00dfe",
    "strasse",
    "馬/\U0001f993",
    *("rust\u200b", "ru\u00adst", "\ufeffrust", "ｒｕｓｔ"),  # "rust" to the eye
    "x" * 5000,
    *("__proto__", "constructor", "toString", "hasOwnProperty"),  # properties of every object in some languages
    *("0", "00", "1", "01", "1e0", "-0"),  # numbers in the keys of tables
    "x" * 4999 + "y",  # differs from the other long one only at its end
    "x" * 65_480,  # the longest for which a Send has room, beside a word
    *("ab"[:shift] + "馬" * 2000 for shift in range(3)),  # whatever length an Error quotes, it cuts one of them
    *("*", "#", "+", ">", "rust/async", "rust.async", "rust:async", "rust/#", "rust.*", "r?st"),
    *("rust,go", "go rust"),  # lists, where a name may not contain the separator
    *('"', "\\", '"}', "%", "{}", "Subscribe", "Send"),
    *("Aa", "BB", "Ab", "BA", "ruts"),  # equal for hashes with the factors 31 and 33, and for a sum of bytes
]
