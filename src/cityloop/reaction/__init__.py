"""Reaction: from decisions to commands, and the people in between."""
