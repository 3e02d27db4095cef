"""Adversarial network: generator, discriminator and an objective of their own for genzoo."""
