"""Hold one file per revision of the schema."""
