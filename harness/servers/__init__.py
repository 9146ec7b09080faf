"""Servers as processes: starting, observing and ending them, with nothing left running."""
