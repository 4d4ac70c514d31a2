"""Windows on a city: the live page and its API; nothing here decides anything."""
