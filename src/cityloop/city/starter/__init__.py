"""What ``cityloop init`` puts into a new folder: two made-up signals on one road, as CSV tables."""
