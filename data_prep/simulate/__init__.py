"""Make users with known preferences, as rows that `gmt prep jsonl` reads and as tables in memory."""
