"""Runs the cases of a spec against a server: a pytest plugin, its fixtures, and a pool of workers.

A case imports from here what it needs beside its fixtures, and nothing else of the harness.
"""

from harness.addresses import Address, has_ipv6
from harness.client import Client
from harness.conformance.fuzz import converse
from harness.conformance.growth import recurs, watch_growth
from harness.conformance.room import Room
from harness.conformance.start import Start
from harness.errors import CouldNotTell, LaunchError, Violation
from harness.model import Usage
from harness.servers.launch import wait_until_ready

__all__ = [
    "Address",
    "Client",
    "CouldNotTell",
    "LaunchError",
    "Room",
    "Start",
    "Usage",
    "Violation",
    "converse",
    "has_ipv6",
    "recurs",
    "wait_until_ready",
    "watch_growth",
]
