"""Headless Chromium, for tests that look at pages."""

import shutil
import subprocess
import tempfile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Path of the browser; `None` if none is installed."""

PHONE, DESK = 390, 1280
"""Widths of pages, in pixels."""


def browse(*options: object) -> str:
    """Return the output of headless Chromium."""
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        words = [BROWSER, *flags.split(), f"--user-data-dir={profile}", *map(str, options)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
