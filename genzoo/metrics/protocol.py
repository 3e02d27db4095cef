"""Whether scores can be compared: only those of one protocol can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genzoo.errors import ConfigError
from genzoo.metrics.metric import Score

TOLD = frozenset({"average", "likelihood"})
"""What a protocol tells of the model that was measured, and not of the measuring: these may differ."""


def differing(one: Score, other: Score) -> tuple[str, Any, Any] | None:
    """What makes two scores of different protocols, with its value in both; `None` where nothing does."""
    keys = dict.fromkeys([*one.protocol, *other.protocol])
    for key in keys:
        mine, theirs = one.protocol.get(key), other.protocol.get(key)
        if key not in TOLD and mine != theirs:
            return key, mine, theirs
    return None


def same_protocol(scores: Mapping[str, Score]) -> None:
    """Refuse scores of one metric that cannot be compared.

    Arguments:
        scores: by the name of what was measured.

    Raises:
        ConfigError: two of them have different protocols.
    """
    owners = list(scores)
    for owner in owners[1:]:
        found = differing(scores[owners[0]], scores[owner])
        if found is not None:
            key, mine, theirs = found
            raise ConfigError(
                f"The {scores[owner].metric} of {owners[0]} and of {owner} cannot be compared: {key} is "
                f"{_shown(mine)} in one and {_shown(theirs)} in the other. Measure them alike."
            )


def _shown(value: Any) -> str:
    return "not told" if value is None else str(value)


def in_common(scores: Iterable[Score]) -> dict[str, Any]:
    """What the protocols of all these scores say alike, wherever they say anything, and more than one of them does."""
    protocols = [score.protocol for score in scores]
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for protocol in protocols for key in protocol):
        values = [protocol[key] for protocol in protocols if key in protocol]
        if (len(values) > 1 or len(protocols) == 1) and all(value == values[0] for value in values):
            found[key] = values[0]
    return found
