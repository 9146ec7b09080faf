"""What a machine must have for a server: toolchains, packages, interpreters."""
