"""Offer the rivals that every table prints."""
