"""Windows on a city: the live page and its API; nothing here decides anything."""

HOST = "127.0.0.1"
"""Where everything is served: the loopback."""
