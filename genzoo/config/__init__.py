"""Settings: what they are, how layers of them merge, and how a wrong one is explained. No torch here."""
