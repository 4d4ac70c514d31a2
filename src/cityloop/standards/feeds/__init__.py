"""Public feeds as readings: one module per format, each a pure function of bytes."""
