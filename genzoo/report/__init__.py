"""Frozen results, and their forms on a terminal, as JSON, as Markdown and as CSV. Nothing here computes."""
