"""Holds the context broker against a suite that others wrote: ``make conformance SUITE=…``."""
