"""Faults: what kills and cuts a running city, and what checks from outside that it lost nothing."""
