"""Products that one would install instead of writing a server: they stand beside the league as references."""
