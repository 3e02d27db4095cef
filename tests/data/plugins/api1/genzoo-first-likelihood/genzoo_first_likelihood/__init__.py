"""Affine coupling flow: an exact likelihood, maximised by gradients for genzoo."""
