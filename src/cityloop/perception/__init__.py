"""Taking in what the city's sensors say: sources, and the gate they all pass."""
