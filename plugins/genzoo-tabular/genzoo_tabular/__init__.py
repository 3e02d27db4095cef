"""Models of tables for genzoo: a copula, a random forest, kernel density estimates and interpolation."""
