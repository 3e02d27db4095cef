"""Tables that are larger than memory, read some rows at a time for a trained model."""
