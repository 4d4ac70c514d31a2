"""Loops that serve people on the move."""
