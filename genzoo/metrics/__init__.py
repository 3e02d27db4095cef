"""Numbers that judge a generative model, each with the protocol that produced it."""
