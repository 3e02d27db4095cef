"""Sliced Wasserstein distance: a metric with its standard error for genzoo."""
