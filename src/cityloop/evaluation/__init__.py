"""How a gain is measured: trials of controllers on the same demand, figures, intervals, reports."""
