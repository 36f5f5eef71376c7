"""``python -m scanner`` is ``cardtrail``."""

from scanner.cli import main

main()
