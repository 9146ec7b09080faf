"""Histories: what each client sent and received, in its own order, and whether a conforming server can produce them."""
