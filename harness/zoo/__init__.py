"""The zoo of servers: discovery, declarations, required toolchains, builds, and scaffolding for new servers."""
