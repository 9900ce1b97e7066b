"""Serve a trained run."""
