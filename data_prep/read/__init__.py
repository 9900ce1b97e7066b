"""Read files into rows, rows into cells, and cells into comparisons."""
