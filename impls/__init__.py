"""Chat servers, one directory each: a server that a stranger can read, and a card that says what it is."""
