"""Keeping what a tenant's city said: the log, and the context and history folded from it."""
