"""Measure how fast every part is, on the machine at hand."""
