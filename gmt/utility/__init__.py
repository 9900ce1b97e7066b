"""Route by an explicit utility: quality against cost, weighed by each user."""
