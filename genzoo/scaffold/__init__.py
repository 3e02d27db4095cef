"""New plugins: a distribution that works, for its author to change."""
