"""What the author of a case uses, beside the fixtures of the plugin; a case imports nothing else of the harness."""

from harness.addresses import Address, few_may_wait, has_address, has_ipv6
from harness.conformance.api.client import Client
from harness.conformance.api.fuzz import converse
from harness.conformance.api.growth import Growth, is_leak, may_be_leak, watch_growth
from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.errors import Inconclusive, LaunchError, Violation
from harness.model import Usage
from harness.processes.warden import descendants
from harness.servers.launch import listening_addresses, wait_until_ready
from harness.servers.process import Server

__all__ = [
    "Address",
    "Client",
    "Growth",
    "Inconclusive",
    "LaunchError",
    "Room",
    "Server",
    "Start",
    "Usage",
    "Violation",
    "converse",
    "descendants",
    "few_may_wait",
    "has_address",
    "has_ipv6",
    "is_leak",
    "listening_addresses",
    "may_be_leak",
    "wait_until_ready",
    "watch_growth",
]
