"""What a server must do: one folder a protocol, each a plugin."""
