"""Optional packages: imported when they are installed, else one sentence with the line that installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.extras import require


def test_an_installed_module_is_returned() -> None:
    assert require("json.decoder", "fuzz").__name__ == "json.decoder"


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(UsageError) as error:
        require("no_such_package.part", "fuzz")
    assert str(error.value) == (
        "this needs the package no_such_package, which is not installed: pip install 'zillions[fuzz]'"
    )


def test_a_package_that_is_installed_but_broken_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require("broken_package", "fuzz")
