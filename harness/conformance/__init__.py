"""Runs the cases of a spec against a server: a pytest plugin, its fixtures, and a pool of workers."""
