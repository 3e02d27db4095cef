"""The promises, one module per topic."""
