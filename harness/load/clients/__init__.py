"""Connections of a load: how they connect, join, come and go, and stall."""
