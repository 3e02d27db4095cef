"""`python -m genzoo`."""

from genzoo.cli.start import run

run()
