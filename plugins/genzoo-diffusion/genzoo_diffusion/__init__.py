"""Diffusion models and flow matching for genzoo."""
