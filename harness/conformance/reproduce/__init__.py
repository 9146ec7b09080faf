"""Turns a failure into evidence, and into a script that reproduces it."""
