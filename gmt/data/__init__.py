"""Turn the canonical table into what models read."""
