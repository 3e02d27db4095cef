"""The Gaussian copula: marginals, correlations of normal scores, and groups of rows with their own of both."""
