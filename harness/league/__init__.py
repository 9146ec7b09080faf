"""The league: plans and runs blocks of slices and trials, and ranks the servers by their results."""
