"""What metrics need before they are computed: the chosen metrics and extractor, and the real data."""
