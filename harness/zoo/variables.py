"""The environment variables that change what compilers make."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

# They let a compiler write its program for another machine, or to another place than the server's command says.
OF_OTHER_BUILDS = re.compile(r"GO(OS|ARCH)|CARGO_(BUILD_)?TARGET(_DIR)?|CARGO_BUILD_BUILD_DIR")
# With others of them, another program is built.
OF_COMPILERS = re.compile(
    r"GO(FLAGS|EXPERIMENT|AMD64|ARM|ARM64|386|TOOLCHAIN)|CGO_\w+|CARGO_(PROFILE|ENCODED|UNSTABLE)_\w+"
    r"|(CARGO_BUILD_)?RUST(FLAGS|C)|RUSTC_BOOTSTRAP|(C|CPP|CXX|OBJC|D|F|FC|LD|AS|SWIFT|NIM|ZIG|GHC|NVCC|OCAML|DUNE)FLAGS"
    r"|CC|CXX|CPP|LD|AR|CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|LIBRARY_PATH|OCAMLPARAM"
)


def of_other_builds() -> Sequence[str]:
    """Return the names of the variables that a build must not get."""
    return [name for name in os.environ if OF_OTHER_BUILDS.fullmatch(name)]


def of_compilers() -> Sequence[tuple[str, str]]:
    """Return the variables that belong to what a build depends on, with their values; most people have none."""
    return sorted((name, value) for name, value in os.environ.items() if value and OF_COMPILERS.fullmatch(name))
