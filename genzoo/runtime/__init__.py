"""Where code runs: device, precision, random seeds, launched processes."""
