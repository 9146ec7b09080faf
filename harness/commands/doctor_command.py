"""`harness doctor`: what this machine is, what it lacks, and the one command that installs it."""

from __future__ import annotations

import resource
import shutil
import sys

import click
import psutil

from harness import machine
from harness.addresses import has_ipv6
from harness.build import cache_folder
from harness.discover import missing
from harness.plugins import implementations
from harness.swarm import core

NO_NATIVE_CORE = ": the native one needs a C compiler and Python's headers when the harness is installed"


@click.command("doctor")
def command() -> int:
    """Look at this machine and say what is missing for which server, and how to get it."""
    here = machine.describe()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    facts = {
        "machine": f"{here.processor}, {here.cores} cores, {here.memory_gib:g} GiB, {here.kernel}",
        "python": f"{here.python} at {sys.executable}",
        "packages": ", ".join(f"{name} {version}" for name, version in here.packages.items()),
        "open files": f"{hard} at most" + ("" if hard >= 1200 else ": too few for a thousand clients"),
        "IPv6": "yes" if has_ipv6() else "no: cases of it are unsupported here",
        "load now": f"{psutil.cpu_percent(interval=0.5):.0f} % of the processor, by others",
        "builds": str(cache_folder()),
        "load": f"by the {core.which()} core" + ("" if core.which() == "native" else NO_NATIVE_CORE),
    }
    for name, fact in facts.items():
        print(f"{name:10}  {fact}")
    if sys.platform != "linux":
        print("not Linux: what a server leaves behind when it daemonises may stay; some cases are unsupported")
    print()
    for one in implementations():
        lacking = missing(one)
        tools = [need.partition(":")[2] for need in one.needs]
        found = ", ".join(path for tool in tools if (path := shutil.which(tool)))
        if lacking:
            print(f"{one.name:12}  not here: " + "; ".join(f"{what} is missing: {remedy}" for what, remedy in lacking))
        else:
            print(f"{one.name:12}  ready{f' ({found})' if found else ''}")
    return 0
