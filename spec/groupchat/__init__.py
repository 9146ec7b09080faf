"""The spec `groupchat`. So far only `serdy`, the serialization that its messages are to have."""
