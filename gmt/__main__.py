"""Open the gmt command line: python -m gmt."""

from gmt.cli.main import main

if __name__ == "__main__":
    main()
