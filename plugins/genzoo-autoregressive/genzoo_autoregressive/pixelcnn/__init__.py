"""Gated PixelCNN: images drawn one pixel after another."""
