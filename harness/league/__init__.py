"""The league: plans and makes trials, each against a fresh server, and ranks the servers by their results."""
