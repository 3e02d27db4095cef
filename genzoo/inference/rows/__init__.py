"""What a trained model says about rows: scores, flags and components."""
