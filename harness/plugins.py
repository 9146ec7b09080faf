"""pluggy: the hooks a plugin may implement, and the manager that asks them.

The built-in servers, specs, workloads and reporters come in by the same hooks as anyone's. A plugin is
a module or package with functions marked `@hookimpl`, found below `impls/` and `spec/` or as an entry
point in the group `harness`.
"""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain

import pluggy

from harness.errors import UsageError
from harness.kinds import Reporter, Workload
from harness.model import Implementation, Spec
from harness.toolchain import Tool

__all__ = [
    "Implementation",
    "Reporter",
    "Spec",
    "Tool",
    "Workload",
    "hookimpl",
    "implementations",
    "reporters",
    "specs",
    "workloads",
]

PROJECT = "harness"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# Packages whose modules are all plugins: adding a file or a folder there is adding a plugin.
PLUGIN_PACKAGES = ("impls", "spec", "harness.load.workloads", "harness.report.formats")
PLUGIN_MODULES = ("harness.zoo.manifests",)
_left_out: set[str] = set()


class Hooks:
    """What a plugin may add."""

    @hookspec
    def harness_implementations(self) -> Iterable[Implementation]:
        """Servers. A Python one needs no `run`: its source is run by the harness's Python."""
        raise NotImplementedError

    @hookspec
    def harness_specs(self) -> Iterable[Spec]:
        """Protocols, each with its text, codec and cases."""
        raise NotImplementedError

    @hookspec
    def harness_workloads(self) -> Iterable[Workload]:
        """Ways to load a server."""
        raise NotImplementedError

    @hookspec
    def harness_reporters(self) -> Iterable[Reporter]:
        """Ways to show a run."""
        raise NotImplementedError


def leave_out(*packages: str) -> None:
    """Load no built-in plugins from these packages in this process, which does not need them; to be called first."""
    _left_out.update(packages)


def _builtin_modules() -> Iterator[str]:
    yield from PLUGIN_MODULES
    for package in PLUGIN_PACKAGES:
        if package in _left_out:
            continue
        found = importlib.import_module(package)
        for module in pkgutil.iter_modules(found.__path__, prefix=f"{package}."):
            yield module.name


@cache
def manager() -> pluggy.PluginManager:
    """Return the plugin manager with everything registered; raise UsageError for a broken plugin."""
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(Hooks)
    for name in _builtin_modules():
        try:
            plugins.register(importlib.import_module(name), name=name)
        except Exception as error:
            raise UsageError(_told(f"plugin {name}", error)) from error
    try:
        plugins.load_setuptools_entrypoints(PROJECT)
    except Exception as error:
        raise UsageError(_told("an installed plugin", error)) from error
    plugins.check_pending()
    return plugins


def _told(what: str, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
    return f"{what} cannot be loaded: {type(error).__name__}: {error} ({where})"


def _gather(hook: str) -> Iterable[object]:
    try:
        return list(chain.from_iterable(getattr(manager().hook, hook)()))
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(_told(f"a plugin's {hook}", error)) from error


def implementations() -> list[Implementation]:
    """Return every server that any plugin declares, by spec and name; raise UsageError for two of one name."""
    seen: dict[tuple[str, str], Implementation] = {}
    for found in _gather("harness_implementations"):
        assert isinstance(found, Implementation)
        if (found.spec, found.name) in seen:
            raise UsageError(
                f'two implementations of {found.spec} are called "{found.name}": '
                f"{seen[found.spec, found.name].source} and {found.source}"
            )
        seen[found.spec, found.name] = found
    return sorted(seen.values(), key=lambda one: (one.spec, one.name))


def specs() -> dict[str, Spec]:
    """Return every spec by its name, the default one first."""
    found = [one for one in _gather("harness_specs") if isinstance(one, Spec)]
    return {one.name: one for one in sorted(found, key=lambda one: (not one.default, one.name))}


def workloads() -> dict[str, Workload]:
    """Return every workload by its name."""
    found: Iterable[Workload] = _gather("harness_workloads")  # type: ignore[assignment]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def reporters() -> dict[str, Reporter]:
    """Return every reporter by its name."""
    found = [one for one in _gather("harness_reporters") if isinstance(one, Reporter)]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}
