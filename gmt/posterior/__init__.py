"""Route by the closed-form posterior: what answers are worth to everybody, and what each user adds."""
