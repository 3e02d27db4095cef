"""What one event is, as files store it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidatorFunctionWrapHandler, WrapValidator

from genzoo.spec.composite import MOST_PARTS, CompositeSpec
from genzoo.spec.events import MOST_NAMES, ColumnType, DataSpec, Feature, Kind

_FEATURE = frozenset(Feature.__slots__)


_KINDS = get_args(Kind)


_LONGEST_FORM = 100


_STORED = (*get_args(ColumnType), None)


def _read_features(content: Any) -> Any:
    """Stop at the first invalid feature, or if there are too many: pydantic would describe every one."""
    if not isinstance(content, Mapping):
        return content
    lists = {part: content[part] for part in ("features", "condition") if isinstance(content.get(part), list)}
    names = sum(map(len, lists.values()))
    for feature in itertools.chain(*lists.values()):
        levels = feature.get("levels") if isinstance(feature, Mapping) else None
        names += len(levels) if isinstance(levels, list) else 0
    if names > MOST_NAMES:
        raise ValueError(f"a table has at most {MOST_NAMES} columns and categories together")
    return {
        **content,
        **{part: [_feature(place, feature) for place, feature in enumerate(own)] for part, own in lists.items()},
    }


def _feature(place: int, content: Any) -> Feature:
    if not isinstance(content, Mapping) or not content.keys() <= _FEATURE:
        raise ValueError(f"number {place} of its features is none")
    name, kind, levels = content.get("name"), content.get("kind", "continuous"), content.get("levels")
    unseen = content.get("unseen", [])
    texts = (levels is None or _all_texts(levels)) and _all_texts(unseen)
    stored, form = content.get("type"), content.get("form")
    placing = [content.get(part) for part in ("low", "high", "step", "cell")]
    numbers = all(part is None or (isinstance(part, int | float) and not isinstance(part, bool)) for part in placing)
    if not texts or not isinstance(name, str) or kind not in _KINDS or stored not in _STORED or not numbers:
        raise ValueError(f"number {place} of its features is none")
    if form is not None and not (isinstance(form, str) and form.isprintable() and len(form) <= _LONGEST_FORM):
        raise ValueError(f"number {place} of its features is none")
    low, high, step, cell = placing
    known = None if levels is None else tuple(levels)
    return Feature(name, kind, known, stored, form, low, high, step, tuple(unseen), cell)


def _all_texts(content: Any) -> bool:
    return isinstance(content, list | tuple) and all(isinstance(item, str) for item in content)


_OF_PARTS = frozenset({"parts", "missing", "condition"})


_WHOLE: TypeAdapter[DataSpec] = TypeAdapter(Annotated[DataSpec, BeforeValidator(_read_features)])


_CONDITION: TypeAdapter[tuple[Feature, ...]] = TypeAdapter(tuple[Feature, ...])


def _read_parts(content: Any, read_whole: ValidatorFunctionWrapHandler) -> DataSpec:
    """Read the spec of an event, which may be one of several parts."""
    if isinstance(content, CompositeSpec):
        return content
    parts = content.get("parts") if isinstance(content, Mapping) else None
    if parts is None:
        found: DataSpec = read_whole(content)
        return found
    missing = content.get("missing", False)
    if not content.keys() <= _OF_PARTS or not isinstance(missing, bool):
        raise ValueError("an event of several parts holds parts, missing and condition, and nothing else")
    if not isinstance(parts, Mapping) or len(parts) > MOST_PARTS:
        raise ValueError(f"an event has at most {MOST_PARTS} parts")
    others = _read_features({"condition": content.get("condition", [])})
    specs = {str(name): _WHOLE.validate_python(part) for name, part in parts.items()}
    return CompositeSpec.of(specs, missing=missing, condition=_CONDITION.validate_python(others["condition"]))


DataForm = Annotated[
    DataSpec,
    BeforeValidator(_read_features),
    WrapValidator(_read_parts),
    PlainSerializer(lambda spec: spec.as_dict(), when_used="always"),
]
"""A `DataSpec` as stored in files; also one of several parts."""
