"""The wiring: configuration, the only place that names back ends, and the processes of a city."""
