"""Describe what a trained model says about the data, in figures."""
