"""Chat with a server of any spec: in a terminal, through pipes, or as a swarm of simulated users."""
