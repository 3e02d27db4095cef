"""`python -m genzoo`."""

from genzoo.cli.main import run

run()
