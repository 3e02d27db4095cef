"""Promises of models of some modalities."""
