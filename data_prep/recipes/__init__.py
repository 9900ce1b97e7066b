"""State how known public files, and anybody's own, become comparisons: recipes in YAML."""
