"""Commands that choose among models or settings: compare, synthesize and tune."""
