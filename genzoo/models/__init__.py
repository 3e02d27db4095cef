"""The interfaces that plugins implement: generators, discriminators and objectives."""
