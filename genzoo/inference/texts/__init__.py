"""What only texts have: prompts, and the probability of each symbol."""
