"""Factor analysis, probabilistic principal components, and mixtures of them."""
