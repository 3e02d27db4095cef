"""Variational autoencoder: a bound of the likelihood, an encoder and a decoder for genzoo."""
