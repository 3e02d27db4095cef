"""The parts of one fit of a comparison."""
