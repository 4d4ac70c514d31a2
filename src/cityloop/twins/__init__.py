"""Twins: simulators behind the same sources and cabinets as the real city."""
