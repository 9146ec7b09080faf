"""Runs a command in a network namespace of its own, in which only the loopback interface exists.

    python -I -S loopback_only.py COMMAND [ARGUMENT ...]

What the command starts is in the same namespace: it can reach itself and nothing else. The kernel gives the new
namespace to root, or to anybody together with a user namespace, in which the user stays the same. It imports only the
standard library, to start in a few milliseconds, and never the harness.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # unshare(2)
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
REQUEST = "16sh14x"  # struct ifreq with its flags


def enter() -> None:
    """Move this process, which must have a single thread, into a new network namespace.

    Raises:
        OSError: the kernel refuses it.
    """
    user, group = os.getuid(), os.getgid()
    try:
        _unshare(CLONE_NEWNET)
    except PermissionError:
        _unshare(CLONE_NEWNET | CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name, flags = struct.unpack(REQUEST, fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack(REQUEST, b"lo", 0)))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack(REQUEST, name, flags | IFF_UP))


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))  # a PermissionError if it is EPERM


def main() -> None:
    """Enter the namespace and become the command; exit with status 125 if there is no namespace."""
    try:
        enter()
    except OSError as error:
        print(f"no network namespace: {error.strerror}", file=sys.stderr)
        sys.exit(125)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
