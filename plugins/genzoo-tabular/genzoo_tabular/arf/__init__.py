"""Adversarial random forests: trees of real against synthetic rows, with independent columns in each leaf."""
