"""Two arms of a spiral: a dataset by name for genzoo."""
