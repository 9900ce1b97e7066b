"""Route by the closed-form posterior: answer quality for everybody, and what each user adds."""
