"""Real servers on loopback, for tests and for ``make run-scaled``: one context manager each."""
