"""A city as a set of closed loops."""

__version__ = "0.1.0"
