"""The league: which trials are made in which order, each against a fresh server, and what they add up to."""
