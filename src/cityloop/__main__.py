"""``python -m cityloop``."""

from cityloop.cli import main

if __name__ == "__main__":
    main()
