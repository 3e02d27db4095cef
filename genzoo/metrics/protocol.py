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


def measured_otherwise(scores: Mapping[str, Score]) -> dict[str, str]:
    """Why scores of one metric cannot stand beside most others, by the name of what was measured.

    Arguments:
        scores: by that name.
    """
    groups: list[list[str]] = []
    for owner, score in scores.items():
        known = next((group for group in groups if differing(scores[group[0]], score) is None), None)
        if known is None:
            groups.append([owner])
        else:
            known.append(owner)
    most = max(groups, key=len, default=[])
    reasons = {}
    for owner in [owner for group in groups if group is not most for owner in group]:
        found = differing(scores[owner], scores[most[0]])
        assert found is not None
        key, mine, theirs = found
        reasons[owner] = f"measured otherwise than that of {most[0]}: {key} is {_shown(mine)} and not {_shown(theirs)}"
    return reasons


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
