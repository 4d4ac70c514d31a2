"""A package: a dependency (gmqtt) installs one of the same name, which would win otherwise."""
