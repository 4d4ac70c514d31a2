"""The kernel: the few words every layer shares, and the cycle that turns a loop. No I/O."""
