"""The only training loop, and what it needs: feeds of batches, optimizers, averages, compilation."""
