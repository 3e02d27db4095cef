"""Mixture of t distributions: a likelihood maximised by expectation-maximisation for genzoo."""
