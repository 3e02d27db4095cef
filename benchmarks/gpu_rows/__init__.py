"""The parts of `benchmarks/gpu.py`: rows, how they are timed, and the page of results."""
