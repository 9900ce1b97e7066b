"""Draw figures from results."""
