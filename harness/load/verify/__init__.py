"""Is every delivery of a load right: sent before, to a subscriber, once, and in one order."""
