"""The contracts that plugins implement: generators, discriminators and objectives."""
