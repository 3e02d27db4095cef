"""The registry of the zoo, and the plugins that fill it. Nothing here imports torch."""
