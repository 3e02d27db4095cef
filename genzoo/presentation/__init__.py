"""What pages show of runs and comparisons: samples beside real events, curves, walks, scores."""
