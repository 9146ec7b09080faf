"""pluggy: the hooks that a plugin may implement, and the manager that calls them.

The built-in servers, specs, workloads and reporters come in by the same hooks as those of other packages. A plugin is
a module or package with functions marked `@hookimpl`. Built-in ones lie in the room of their hook (`ROOMS`): adding a
file or folder there adds a plugin. Those of other packages are entry points in the group `harness`, and may implement
every hook.

A room is imported when its hook is called for the first time: `implementations()` imports no spec and no workload.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pluggy

from harness.errors import UsageError
from harness.figures import BUILT_IN, Figure
from harness.kinds import Reference, Reporter, ReportView, Workload
from harness.model import Implementation, Spec
from harness.styles import unknown_word
from harness.toolchain import Tool

__all__ = [
    "Implementation",
    "Reference",
    "ReportView",
    "Reporter",
    "Spec",
    "Tool",
    "Workload",
    "figures",
    "hookimpl",
    "implementations",
    "references",
    "reporters",
    "shared_cases",
    "specs",
    "workloads",
]

PROJECT = "harness"
# Other projects have packages called `spec` and `impls`: in a wheel these are `zillions.spec` and `zillions.impls`.
IS_INSTALLED = (Path(__file__).parent.parent / "zillions" / "__init__.py").is_file()
SPECS, IMPLS = (f"zillions.{name}" if IS_INSTALLED else name for name in ("spec", "impls"))
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# For each hook: packages whose modules are all plugins, and modules that are plugins themselves.
ROOMS = {
    "harness_implementations": ("harness.zoo.manifests", IMPLS),
    "harness_specs": (SPECS,),
    "harness_references": (f"{IMPLS}.references",),
    "harness_workloads": ("harness.load.workloads",),
    "harness_reporters": ("harness.report.formats",),
}


class Hooks:
    """What a plugin may add."""

    @hookspec
    def harness_implementations(self) -> Iterable[Implementation]:
        """Return servers. One in Python needs no `run`: the harness's Python runs its source."""
        raise NotImplementedError

    @hookspec
    def harness_specs(self) -> Iterable[Spec]:
        """Return protocols, each with its text, codec and cases."""
        raise NotImplementedError

    @hookspec
    def harness_references(self) -> Iterable[Reference]:
        """Return products that stand beside the servers in the league."""
        raise NotImplementedError

    @hookspec
    def harness_workloads(self) -> Iterable[Workload]:
        """Return ways to load a server."""
        raise NotImplementedError

    @hookspec
    def harness_reporters(self) -> Iterable[Reporter]:
        """Return ways to show a run."""
        raise NotImplementedError


@cache
def manager() -> pluggy.PluginManager:
    """Return the plugin manager, with the plugins of other packages registered.

    Raises:
        UsageError: an installed plugin cannot be loaded.
    """
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(Hooks)
    try:
        plugins.load_setuptools_entrypoints(PROJECT)
        plugins.check_pending()
    except Exception as error:
        raise UsageError(_failure("an installed plugin", error)) from error
    return plugins


@cache
def _load(hook: str) -> None:
    """Import and register the built-in plugins of a hook.

    Raises:
        UsageError: a plugin cannot be loaded, or implements a hook of another room.
    """
    for name in _modules(hook):
        if manager().has_plugin(name):
            continue
        try:
            module = importlib.import_module(name)
            manager().register(module, name=name)
            manager().check_pending()
        except Exception as error:
            raise UsageError(_failure(f"plugin {name}", error)) from error
        for other in manager().get_hookcallers(module) or ():
            if other.name != hook:
                room = ROOMS[other.name][-1].replace(".", "/")
                raise UsageError(f"plugin {name} implements {other.name}: move that function into a module in {room}/")


def _modules(hook: str) -> Iterator[str]:
    for name in ROOMS[hook]:
        room = importlib.import_module(name)
        if hasattr(room, "__path__"):
            yield from (module.name for module in pkgutil.iter_modules(room.__path__, prefix=f"{name}."))
        else:
            yield name


def reload_servers(folder: Path) -> None:
    """Read the built-in plugins in a folder again when servers are next asked for: their files may have changed."""
    for name in _modules("harness_implementations"):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file).resolve().parent == folder:
            del sys.modules[name]
            if manager().has_plugin(name):
                manager().unregister(name=name)
    _load.cache_clear()


def _failure(what: str, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
    return f"{what} cannot be loaded: {type(error).__name__}: {error} ({where})"


def _call(hook: str) -> list[object]:
    """Return what all plugins answer to a hook; raise UsageError for a plugin that fails."""
    _load(hook)
    try:
        return list(chain.from_iterable(getattr(manager().hook, hook)()))
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(_failure(f"a plugin's {hook}", error)) from error


def implementations() -> list[Implementation]:
    """Return every server that a plugin declares, by spec and name.

    Raises:
        UsageError: two have one name, or one has a style or a class that is not in the vocabulary.
    """
    by_name: dict[tuple[str, str], Implementation] = {}
    for declared in _call("harness_implementations"):
        assert isinstance(declared, Implementation)
        if first := by_name.get((declared.spec, declared.name)):
            raise UsageError(
                f'two implementations of {declared.spec} are called "{declared.name}": '
                f"{first.source} and {declared.source}"
            )
        if problem := unknown_word(declared)[1]:
            raise UsageError(f"the implementation {declared.name} of {declared.spec}: {problem}")
        by_name[declared.spec, declared.name] = declared
    return [by_name[key] for key in sorted(by_name)]


def specs() -> dict[str, Spec]:
    """Return every spec by its name, the default one first; raise UsageError for two of one name."""
    found = _by_name("spec", (spec for spec in _call("harness_specs") if isinstance(spec, Spec)))
    return dict(sorted(found.items(), key=lambda item: (not item[1].default, item[0])))


def references() -> dict[str, Reference]:
    """Return every reference by its name; raise UsageError for two of one name."""
    return _by_name("reference", (each for each in _call("harness_references") if isinstance(each, Reference)))


def shared_cases() -> Path:
    """Return the folder with the cases for several specs: a spec that wants them names it in `Spec.shares`."""
    folder = importlib.import_module(f"{SPECS}.common").FOLDER
    assert isinstance(folder, Path)
    return folder


def workloads() -> dict[str, Workload]:
    """Return every workload by its name; raise UsageError for two of one name."""
    return _by_name("workload", (each for each in _call("harness_workloads") if isinstance(each, Workload)))


def figures() -> Mapping[str, Figure]:
    """Return every figure by its name: the built-in ones and those that workloads declare.

    Raises:
        UsageError: two different figures have one name, or a workload reports a figure that it does not declare.
    """
    known: dict[str, Figure] = dict(BUILT_IN)
    for workload in workloads().values():
        for figure in workload.figures:
            if known.setdefault(figure.name, figure) != figure:
                raise UsageError(f'the workload {workload.name} declares another figure called "{figure.name}"')
        for name in workload.reported:
            if name not in {figure.name for figure in workload.figures}:
                raise UsageError(f'the workload {workload.name} reports "{name}", which is none of its figures')
    return known


def reporters() -> dict[str, Reporter]:
    """Return every reporter by its name; raise UsageError for two of one name."""
    return _by_name("reporter", (each for each in _call("harness_reporters") if isinstance(each, Reporter)))


Named = TypeVar("Named", Spec, Reference, Workload, Reporter)


def _by_name(what: str, found: Iterable[Named]) -> dict[str, Named]:
    by_name: dict[str, Named] = {}
    for added in found:
        if added.name in by_name:
            raise UsageError(f'two plugins add a {what} called "{added.name}"')
        by_name[added.name] = added
    return dict(sorted(by_name.items()))
