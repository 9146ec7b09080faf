"""Which servers there are, what they need of a machine, how they are built, and how a new one is made."""
