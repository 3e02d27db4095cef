"""Several models on one dataset: candidates, their fits, and what the fits say of one another."""
