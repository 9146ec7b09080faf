"""What a server must do: one folder for each protocol, each a plugin of the harness."""
