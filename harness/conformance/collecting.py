"""Which tests are cases, and of which spec: what pytest has collected becomes records of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import plugins
from harness.errors import UsageError
from harness.model import Case, Spec
from harness.requirements import text as requirements


def spec_of(path: Path, config: pytest.Config) -> Spec | None:
    """Return the spec whose folder of cases contains a file, or for shared cases the one that was named.

    Raises:
        UsageError: the file has shared cases, and no spec was named.
    """
    specs = plugins.specs()
    own = next((spec for spec in specs.values() if spec.cases in path.parents), None)
    if own or not any(folder in path.parents for spec in specs.values() for folder in spec.shares):
        return own
    if (name := config.getoption("--spec")) not in specs:
        raise UsageError(f"{path}: these cases are for several specs: name one with --spec ({', '.join(specs)})")
    return specs[name]


def is_shared(item: pytest.Item) -> bool:
    """Return whether a case is shared by several specs."""
    spec = spec_of(item.path, item.config)
    return spec is not None and spec.cases not in item.path.parents


def function_name(item: pytest.Item) -> str:
    """Return the name of a test without its parameters."""
    return item.name.partition("[")[0]


def case_of(item: pytest.Item, spec: Spec) -> Case | None:
    """Return a test function as a case, or None for a shared one that a spec has no requirements for.

    Raises:
        UsageError: its marker is missing or wrong.
    """
    marker = item.get_closest_marker("case")
    if marker is None or len(marker.args) < 2:
        raise UsageError(f"{item.nodeid}: a case needs the marker case(number, requirement, ...)")
    number, *ids = marker.args
    known = requirements.of(spec)
    if spec.cases not in item.path.parents:
        ids = list(requirements.ids_of_shared_case(spec, ids))
        if not ids:
            return None
    if unknown := [requirement for requirement in ids if requirement not in known]:
        raise UsageError(f"{item.nodeid}: {spec.text} has no requirement {', '.join(unknown)}")
    levels = {known[requirement].level for requirement in ids}
    if len(levels) > 1:
        raise UsageError(f"{item.nodeid}: its requirements have different levels; split it into several cases")
    return Case(
        id=item.name.removeprefix("test_"),
        number=number,
        requirements=tuple(ids),
        level=levels.pop(),
        smoke=item.get_closest_marker("smoke") is not None,
        gate=gate.args[0] if (gate := item.get_closest_marker("gate")) else 0,
        slow=item.get_closest_marker("slow") is not None,
        long=item.get_closest_marker("long") is not None,
    )
