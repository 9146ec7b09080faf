"""The parts of the build that pyproject.toml cannot say: the native load engine, and the names inside a wheel.

In the checkout the specs and the servers are the packages `spec` and `impls`. Other projects have packages of these
names, so in a wheel they are `zillions.spec` and `zillions.impls`, and the imports among them are written accordingly.

The environment variable that chooses an engine at run time does so here: ZILLIONS_ENGINE=python leaves out the native
one, for the wheel of machines that have no wheel of their own; with ZILLIONS_ENGINE=native the build fails without it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ZOO = "zillions"  # the package that has both in a wheel
MOVED = ("spec", "impls")
IMPORT = re.compile(rb"^([ \t]*(?:from|import) )(?=(?:spec|impls)\b)", re.MULTILINE)
NEED = re.compile(rb'(?<="python:)(?=spec")')
ENGINE = os.environ.get("ZILLIONS_ENGINE", "")
NATIVE = "harness/load/engine/native"
SOURCES = ("module", "commands", "queries", "core", "sending", "stream", "arrays")


def name_in_wheel(package: str) -> str:
    """Return the name that a package has in a wheel."""
    return f"{ZOO}.{package}" if package.partition(".")[0] in MOVED else package


class BuildPackages(build_py):
    """Copies the packages into a wheel, under the names that they have there; an editable install keeps theirs."""

    def finalize_options(self) -> None:
        """Choose the names."""
        super().finalize_options()
        if not self.editable_mode:
            self.packages = [name_in_wheel(package) for package in self.packages]
            self.package_dir = {**self.package_dir, **{f"{ZOO}.{package}": package for package in MOVED}}

    def run(self) -> None:
        """Copy the files, and create the package that holds the moved ones."""
        super().run()
        if not self.editable_mode:
            init = Path(self.build_lib, ZOO, "__init__.py")
            init.write_text('"""The specs and the servers of the zoo, as sources."""\n', "utf-8")

    def build_module(self, module: str, module_file: str, package: str) -> tuple[str, bool]:
        """Copy one module; in the moved packages, write the imports of these packages anew."""
        copy, was_copied = super().build_module(module, module_file, package)
        names = package.split(".") if isinstance(package, str) else package
        if names[0] == ZOO:
            prefix = f"{ZOO}.".encode()
            text = IMPORT.sub(rb"\1" + prefix, Path(module_file).read_bytes())
            Path(copy).write_bytes(NEED.sub(prefix, text))
        return copy, was_copied


native = Extension(
    "harness.load.engine._native",
    sources=[f"{NATIVE}/{name}.c" for name in SOURCES],
    depends=[f"{NATIVE}/core.h", f"{NATIVE}/bindings.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-cast-function-type"],
    # Where there is no compiler the engine in Python is used, and every table says so.
    optional=ENGINE != "native",
)

setup(
    cmdclass={"build_py": BuildPackages},
    ext_modules=[] if ENGINE == "python" else [native],
)
