"""The zoo's registry and the plugins that fill it. Nothing here imports torch."""
