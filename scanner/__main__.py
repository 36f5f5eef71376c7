"""``python -m scanner`` is ``cardtrail``."""

if __name__ == "__main__":  # worker processes import this module, too, and need nothing of it
    from scanner.cli import main

    main()
