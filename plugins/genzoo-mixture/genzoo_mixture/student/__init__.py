"""Mixtures of multivariate Student t distributions."""
