"""Reads two servers against each other: their sources, what is left out of them, what differs, and how it is shown."""
