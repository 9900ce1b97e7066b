"""Measure gmt: studies behind docs/results.md, run from the root of the repository."""
