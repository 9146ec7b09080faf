"""Histories: what every client sent and received, in its own order, and whether a lawful server can produce them."""
