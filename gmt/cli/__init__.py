"""Offer every command of `gmt`."""
