"""A new server for the zoo: a copy of one that is there, under another name, ready to be changed.

There is no second set of sources to keep right: what is copied is a server that the cases judge.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, UsageError, nearest
from harness.model import Implementation
from harness.zoo import declarations, manifests
from harness.zoo.build import BYPRODUCTS
from harness.zoo.code_lines import code_lines
from harness.zoo.discover import why_not_here

SUFFIX = "_impl"
README, HOOK = "README.md", "__init__.py"
Ignored = Callable[[str, list[str]], set[str]]
NAME = re.compile(r"[a-z][a-z0-9_]*")


def zoo() -> Path:
    """Return the folder that has a folder for each server."""
    import impls

    return Path(impls.__path__[0]).resolve()


def model_for(language: str, spec: str, implementations: Sequence[Implementation]) -> Implementation:
    """Return the server of the zoo to begin with: idiomatic, able to run here, with few needs, short.

    Raises:
        UsageError: there is none in this language.
    """
    there = [one for one in implementations if one.spec == spec and _folder(one)]
    mine = [one for one in there if one.language.casefold() == language.casefold()]
    if not mine:
        languages = sorted({one.language for one in there}, key=str.casefold)
        raise UsageError(
            f'there is no server of {spec} in "{language}" to begin with{nearest(language, languages)}; '
            f"there are in {', '.join(languages)}"
        )
    return min(
        mine,
        key=lambda one: (one.category != "idiomatic", why_not_here(one), len(one.needs), code_lines(one), one.name),
    )


def _folder(one: Implementation) -> Path | None:
    """Return the folder of the zoo that has a server; None for one from elsewhere."""
    if one.source is None or not one.source.is_relative_to(zoo()):
        return None
    return zoo() / one.source.relative_to(zoo()).parts[0]


def make(name: str, model: Implementation, implementations: Sequence[Implementation], specs: Collection[str]) -> Path:
    """Make the folder of a new server from the one that is its model; return it.

    Args:
        implementations: all that are declared.
        specs: the names of all specs: what a README says under such a heading is about them.

    Raises:
        UsageError: the name is none, or taken.
        HarnessError: the folder cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f'"{name}" is not a name for a server: a small letter, then small letters, digits and "_"')
    folder = zoo() / f"{name}{SUFFIX}"
    if taken := [one for one in implementations if one.name == name]:
        raise UsageError(f'there is a server "{name}" already: {taken[0].source or taken[0].summary}')
    if folder.exists():
        raise UsageError(f"{folder} is there already")
    old = _folder(model)
    assert old and model.source
    try:
        with tempfile.TemporaryDirectory(dir=zoo(), prefix=".new-") as made:
            fresh = Path(made) / "copy"
            shutil.copytree(old, fresh, ignore=_of_others(model, old, implementations))
            source = model.source.relative_to(old)
            _declare(msgspec.structs.replace(model, name=name, source=source, files=()), fresh)
            about = old / README
            text = about.read_text("utf-8") if about.exists() else f"# {model.name}: {model.style}\n\n{model.summary}\n"
            (fresh / README).write_text(readme(text, name, model, specs), "utf-8")
            os.rename(fresh, folder)
    except OSError as error:
        raise HarnessError(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def _declare(one: Implementation, folder: Path) -> None:
    if one.run:
        (folder / manifests.FILE).write_text(declarations.manifest(one), "utf-8")
    else:
        (folder / HOOK).write_text(declarations.hook(one), "utf-8")


def _of_others(model: Implementation, folder: Path, implementations: Sequence[Implementation]) -> Ignored:
    """Return what says which files of a folder are not copied: those of its other servers, and what is written anew."""
    mine = {model.source, *(folder / name for name in model.files)}
    neighbours = [one for one in implementations if _folder(one) == folder]
    left = {folder / name for name in (README, HOOK, manifests.FILE)}
    left |= {path for one in neighbours for path in (one.source, *(folder / name for name in one.files)) if path} - mine

    def ignored(where: str, names: list[str]) -> set[str]:
        return {name for name in names if name in BYPRODUCTS or Path(where, name) in left}

    return ignored


def readme(text: str, name: str, model: Implementation, specs: Collection[str]) -> str:
    """Return a model's README as that of a new server: its name in the heading, and of the specs only its own."""
    lead, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    heading, _, lead = lead.partition("\n")
    about = heading.partition(": ")[2] or model.style
    kept = []
    for section in sections:
        title, _, body = section.partition("\n")
        words = set(re.findall(r"\w+", title)) - {"and"}
        if not words <= set(specs):
            kept.append(section)
        elif model.spec in words:
            first, _, _ = lead.partition("\n- ")  # the items below it are of the first spec
            lead = f"{first.rstrip()}\n\n{body.strip()}\n\n"
    assert model.source
    origin = f"[{model.name}](../{(_folder(model) or model.source.parent).name}/{README})"
    note = f"Made from {origin} by `harness new`: what follows is said of that one until you say what is yours."
    return f"# {name}: {about}\n\n{note}\n\n{''.join([lead.lstrip(), *kept]).rstrip()}\n"
