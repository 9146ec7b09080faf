"""Lets people, scripts and crowds speak with a server, whatever its protocol."""
