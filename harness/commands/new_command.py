"""`harness new`: a folder for a server of your own, that works, and is ready to be changed."""

from __future__ import annotations

from pathlib import Path

import click

from harness import plugins
from harness.zoo import scaffold
from harness.zoo.discover import specs_named, why_not_here


@click.command("new")
@click.argument("name")
@click.option("--lang", "language", metavar="LANGUAGE", required=True, help="As `harness list` says it.")
@click.option("--spec", metavar="NAME", help="What it shall serve; by default the first.")
def command(name: str, language: str, spec: str | None) -> int:
    """Make impls/NAME_impl/ with a manifest, a README and a server, which is a copy of one in that language.

    Exit status: 0, or 2 when the name is taken, or no server is in that language.
    """
    implementations, chosen = plugins.implementations(), specs_named(spec)[0].name
    model = scaffold.model_for(language, chosen, implementations)
    folder = scaffold.make(name, model, implementations, plugins.specs())
    print(f"{_shown(folder)}: a server of {chosen} in {model.language}, made from {model.name}")
    if reason := why_not_here(model):
        print(f"it cannot run here yet: {reason}")
    print(f"try it with: harness check {name} --spec {chosen} --smoke")
    return 0


def _shown(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
