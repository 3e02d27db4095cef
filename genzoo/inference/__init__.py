"""A trained model in data units: sampling, likelihood, latent vectors and files of samples."""
