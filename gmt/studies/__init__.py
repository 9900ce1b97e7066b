"""Measure gmt: every study behind docs/results.md; `python -m gmt.studies` lists them."""
