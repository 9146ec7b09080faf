"""Child processes: how they are started, watched, waited for and ended, whatever they run."""
