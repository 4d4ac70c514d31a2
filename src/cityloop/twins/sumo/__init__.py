"""The SUMO twin: networks, demand, programs and the simulation itself."""
