"""``python -m scanner`` is ``cardtrail``."""

from scanner.cli import main

if __name__ == "__main__":  # worker processes import this module under another name
    main()
