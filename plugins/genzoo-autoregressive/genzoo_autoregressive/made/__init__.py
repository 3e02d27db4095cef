"""The model `made`: columns one after another, each given the ones before it."""
