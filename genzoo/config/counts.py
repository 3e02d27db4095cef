"""Check numbers that are arguments of a call, and no settings of a run."""

from __future__ import annotations

import numbers

from genzoo.errors import ConfigError
from genzoo.wording import argument


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return an argument that is a count, after checking it.

    Arguments:
        name: its name in Python.
        least: smallest value. Defaults to 1.

    Raises:
        ConfigError: it is no whole number, or too small.

    Examples:
        >>> check_count("steps", 3)
        3
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least:
        return int(value)
    raise ConfigError(f"{argument(name)} must be a whole number of at least {least}, not {value!r}.")
