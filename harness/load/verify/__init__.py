"""Verifies every delivery of a load: it was sent before, it goes to a subscriber, once, and in one order for all."""
