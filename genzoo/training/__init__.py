"""Train models of the zoo into runs, and resume them."""
