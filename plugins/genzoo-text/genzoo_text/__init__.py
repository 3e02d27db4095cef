"""Models of text for genzoo."""
