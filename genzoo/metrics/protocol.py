"""Check that scores are comparable: only scores with the same protocol are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genzoo.errors import ConfigError
from genzoo.metrics.metric import Score

TOLD = frozenset({"average", "likelihood", "sampling"})
"""Keys of a protocol that describe the model, and not how it was measured; these may differ.

A model with other sampling options is another distribution, and so another candidate of a comparison.
"""


def differing(one: Score, other: Score) -> tuple[str, Any, Any] | None:
    """Return the first key in which two protocols differ, and both values; `None` if the scores are comparable."""
    keys = dict.fromkeys([*one.protocol, *other.protocol])
    for key in keys:
        mine, theirs = one.protocol.get(key), other.protocol.get(key)
        if key not in TOLD and mine != theirs:
            return key, mine, theirs
    return None


def same_protocol(scores: Mapping[str, Score]) -> None:
    """Check that scores of one metric have the same protocol.

    Arguments:
        scores: scores by the name of the model.

    Raises:
        ConfigError: two of them have different protocols.
    """
    owners = list(scores)
    for owner in owners[1:]:
        difference = differing(scores[owners[0]], scores[owner])
        if difference is not None:
            key, mine, theirs = difference
            raise ConfigError(
                f"The {scores[owner].metric} of {owners[0]} and of {owner} cannot be compared: {key} is "
                f"{_shown(mine)} in one and {_shown(theirs)} in the other. Measure both in the same way."
            )


def measured_otherwise(scores: Mapping[str, Score]) -> dict[str, str]:
    """Return why scores cannot be compared with the majority, by the name of the model.

    Arguments:
        scores: scores of one metric, by the name of the model.
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
        difference = differing(scores[owner], scores[most[0]])
        assert difference is not None
        key, mine, theirs = difference
        reasons[owner] = f"not measured like {most[0]}: {key} is {_shown(mine)} and not {_shown(theirs)}"
    return reasons


def _shown(value: Any) -> str:
    return "not stated" if value is None else str(value)


def in_common(scores: Iterable[Score]) -> dict[str, Any]:
    """Return the entries of the scores' protocols that agree.

    A key may be absent from some protocols, but must be in two of them, or in the only one.
    """
    protocols = [score.protocol for score in scores]
    common: dict[str, Any] = {}
    for key in dict.fromkeys(key for protocol in protocols for key in protocol):
        values = [protocol[key] for protocol in protocols if key in protocol]
        if (len(values) > 1 or len(protocols) == 1) and all(value == values[0] for value in values):
            common[key] = values[0]
    return common
