"""Pure functions on arrays: what loops and evaluation compute. No I/O."""
