"""Autoregressive models for genzoo: each value given the ones before it."""
