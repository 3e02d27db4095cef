"""`python -m genzoo`."""

from __future__ import annotations

from genzoo.cli.entry import start

start()
