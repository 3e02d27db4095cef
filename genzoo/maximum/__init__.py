"""Objectives of the core: for every model with a likelihood, or a bound of it, which gradients maximise."""
