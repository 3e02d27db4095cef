"""Gaussians and Gaussian mixtures for genzoo."""
