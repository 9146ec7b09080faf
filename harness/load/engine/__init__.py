"""One interface, two engines: native, and a reference in Python."""
