"""Choose a model for a question."""
