"""Read one source of conversations a file."""
