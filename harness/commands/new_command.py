"""`harness new`: creates a folder with a server of your own, which works and is ready to be changed."""

from __future__ import annotations

from pathlib import Path

import click

from harness import plugins
from harness.commands import completion, options
from harness.errors import UsageError
from harness.plugins import IS_INSTALLED
from harness.zoo import scaffold
from harness.zoo.discover import specs_named, why_unavailable


@click.command(
    "new",
    epilog=options.examples(
        "harness new my_server --lang Python",
        "harness new my_server --from threads",
        "harness new my_server --lang Rust --spec channels",
    ),
)
@click.argument("name")
@click.option(
    "--lang",
    "language",
    metavar="LANGUAGE",
    shell_complete=completion.languages,
    help="Copy the plainest server in this language, named as in `harness list`.",
)
@click.option(
    "--from",
    "template",
    metavar="SERVER",
    shell_complete=completion.servers,
    help="Copy this server instead.",
)
@click.option(
    "--spec",
    metavar="NAME",
    shell_complete=completion.specs,
    show_default="the first of `harness list`",
    help="Serve this spec.",
)
def command(name: str, language: str | None, template: str | None, spec: str | None) -> int:
    """Create a server from one that works.

    Makes a folder with a manifest, a README, and a copy of an existing server: give --lang or --from. The folder is
    impls/NAME_impl/ in a checkout, and NAME/ in the current folder where the harness was installed.

    Exit status: 0, or 2 if the name is taken or there is no such server.
    """
    implementations, chosen = plugins.implementations(), specs_named(spec)[0].name
    if template and not language:
        model = scaffold.template_named(template, chosen, implementations)
    elif language and not template:
        model = scaffold.template_for(language, chosen, implementations)
    else:
        raise UsageError("give either --lang LANGUAGE or --from SERVER: one says what to copy")
    folder = scaffold.create(name, model, implementations, plugins.specs())
    print(f"{_relative(folder)}: a server of {chosen} in {model.language}, copied from {model.name}")
    if reason := why_unavailable(model):
        print(f"it cannot run here yet: {reason}")
    word = f"./{name}" if IS_INSTALLED else name
    print(f"try it while you write: harness check {word} --watch")
    print(f"then rank it beside its neighbours: harness run {word}")
    return 0


def _relative(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
