"""Formats of a report: every module here is a plugin that adds reporters."""
