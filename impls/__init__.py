"""Chat servers, one folder each: a server that a stranger can read, and a declaration of what it is."""
