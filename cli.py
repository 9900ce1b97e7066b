"""Open the gmt command line from a checkout: python cli.py --help."""

from gmt.cli.main import main

if __name__ == "__main__":
    main()
