"""Benchmarks: each measures both sides in one run and keeps its last result."""
