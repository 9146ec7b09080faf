"""Finds out whether a chat server does what its spec says, and how fast."""

__version__ = "0.1.0"
