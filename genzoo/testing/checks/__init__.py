"""The promises, one module per subject."""
