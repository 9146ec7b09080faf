"""Ways to show a run: each module here is a plugin that adds reporters."""
