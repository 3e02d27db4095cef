"""Normalizing flows for genzoo."""
