"""Child processes: starting, watching, waiting for and ending them, whatever they run."""
