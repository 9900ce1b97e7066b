"""Convert raw conversations and votes into the canonical table."""
