"""Score candidates with a heterogeneous graph transformer."""
