"""The training loop and its parts: data loaders, optimizers, moving averages, several processes."""
