"""A package: some libraries install one of the same name, which would win otherwise."""
