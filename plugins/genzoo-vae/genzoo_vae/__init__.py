"""Autoencoders for genzoo: `vae` is variational, `autoencoder` deterministic."""
