"""Generative adversarial networks for genzoo."""
