"""Measure any router the same way."""
