"""The kinds of sources: one file each, and the union of their settings for ``city.toml``."""
