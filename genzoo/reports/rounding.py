"""Round figures to their standard errors: digits that an error makes meaningless are not shown."""

from __future__ import annotations

import math

_MOST_PLACES = 8
"""Largest number of decimals. Smaller errors are written with an exponent."""


_HUGE = 1e15
"""Numbers from here on are written with an exponent: decimals of a double end there."""


_REACH = 1.96
"""Half the width of a 95 % interval, in standard errors."""


def number(value: float) -> str:
    """Return a number with four significant digits, in plain notation if it is not too long.

    Examples:
        >>> number(189778.4), number(9999.6), number(10.4229), number(0.0000123), number(-0.0)
        ('189778', '10000', '10.42', '1.23e-05', '0')
    """
    return f"{value:.0f}" if 9999.5 <= abs(value) < _HUGE else f"{value:z.4g}"


def without_error(value: float) -> str:
    """Return a number of unknown error: four decimals, or three significant digits if it is small.

    Examples:
        >>> without_error(0.44812), without_error(0.001234), without_error(0.0)
        ('0.4481', '0.00123', '0.0000')
    """
    if abs(value) >= 1e6 or not math.isfinite(value):
        return number(value)
    return f"{value:z.4f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"


def places(error: float | None) -> int | None:
    """Return the number of decimals that shows two significant digits of an error; never tens instead of units.

    It is `None` if the error is unknown, 0, infinite, or too small for decimals.

    Examples:
        >>> places(0.0387), places(0.0996), places(12.0), places(4321.0), places(0.0), places(None)
        (3, 2, 0, 0, None, None)
    """
    if error is None or not 0 < error < _HUGE:
        return None
    found = max(0, 1 - int(f"{error:.1e}".partition("e")[2]))  # the exponent after rounding: 0.0996 is 0.10
    return found if found <= _MOST_PLACES else None


def rounded(value: float, error: float | None) -> str:
    """Return a value rounded to its error, which is not shown.

    Examples:
        >>> rounded(0.4481, 0.0387), rounded(0.4481, None), rounded(2314.3, 12.0)
        ('0.448', '0.4481', '2314')
    """
    digits = places(error)
    if digits is None or not abs(value) < _HUGE:
        return without_error(value)
    return f"{value:z.{digits}f}"


def with_error(value: float, error: float | None) -> str:
    """Return a value ± its standard error, both to two significant digits of the error.

    Examples:
        >>> with_error(0.4481, 0.0387), with_error(-4.0396, 0.13), with_error(1.0, 0.0), with_error(2.5, None)
        ('0.448 ± 0.039', '-4.04 ± 0.13', '1.0000 ± 0', '2.5000')
    """
    if error is None or math.isnan(error):
        return without_error(value)
    digits = places(error)
    if digits is None or not abs(value) < _HUGE:
        return f"{without_error(value)} ± {error:.2g}"
    return f"{value:z.{digits}f} ± {error:.{digits}f}"


def mean_and_sd(mean: float, sd: float) -> str:
    """Return a mean ± a standard deviation, both to two significant digits of the latter; of 0, the mean alone.

    Examples:
        >>> mean_and_sd(0.99674, 0.00188), mean_and_sd(189778.4, 105549.9), mean_and_sd(3.0, 0.0)
        ('0.9967 ± 0.0019', '189778 ± 105550', '3')
    """
    if not sd > 0 or not math.isfinite(sd):
        return number(mean)
    digits = places(sd)
    if digits is None or not abs(mean) < _HUGE:
        return f"{number(mean)} ± {sd:.2g}"
    return f"{mean:z.{digits}f} ± {sd:.{digits}f}"


def with_interval(value: float, low: float, high: float, error: float | None = None, *, signed: bool = False) -> str:
    """Return a value with its 95 % interval, all to two significant digits of the error.

    With signs, an end that rounds to 0 keeps its own: `-0.000` lies below 0.

    Arguments:
        error: standard error. Defaults to the width of the interval in standard errors, also if it is 0 or unknown.
        signed: whether positive numbers have a sign, too.

    Examples:
        >>> with_interval(0.4481, 0.3722, 0.5240), with_interval(-0.0339, -0.1387, 0.0708, signed=True)
        ('0.448 [0.372, 0.524]', '-0.034 [-0.139, +0.071]')
    """
    digits = places(error)
    if digits is None:
        digits = places(error_of_interval(low, high))
    if digits is None or not max(abs(value), abs(low), abs(high)) < _HUGE:
        sign = "+" if signed else ""
        return f"{value:{sign}.4g} [{low:{sign}.4g}, {high:{sign}.4g}]"
    form = f"+.{digits}f" if signed else f"z.{digits}f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def error_of_interval(low: float | None, high: float | None) -> float | None:
    """Return the standard error that a 95 % interval of a normal estimate stands for, or `None`.

    Examples:
        >>> round(error_of_interval(0.0, 3.92), 6), error_of_interval(None, 1.0)
        (1.0, None)
    """
    return None if low is None or high is None else (high - low) / (2 * _REACH)
