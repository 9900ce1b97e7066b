"""Hold the schema's history: one file per change, read by Alembic."""
