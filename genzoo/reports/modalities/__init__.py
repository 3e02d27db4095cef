"""How reports show the events of each modality."""
