"""Explain validation errors in a sentence, and describe the fields of settings for help."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from genzoo.errors import did_you_mean
from genzoo.wording import setting_name, shown_value

_MANY = 1_000


_LONGEST_SHOWN = 200


_LARGEST_WHOLE = 1e15


_NUMBER, _WHOLE, _SWITCH = "a number", "a whole number", "true or false"
_NUMBERS = frozenset({int, float, NoneType})
_RULES = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": "a finite number",
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "string_type": "a text",
    "literal_error": "{expected}",
    "list_type": "a list, such as [1, 2]",
    "tuple_type": "a list, such as [1, 2]",
    "dict_type": "a group of settings",
    "model_type": "a group of settings",
}
"""What a value must be, by pydantic's type of the error."""


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = _LONGEST_SHOWN // 2
_SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxdict = 40
"""Shows a wrong value; cuts a large one short."""


def explain_validation_error(error: ValidationError, cls: type[BaseModel], owner: str, section: str = "") -> str:
    """Explain a validation error to the user who typed the value.

    Arguments:
        owner: what the settings belong to, as the reader knows it: `"Model 'dcgan'"`.
        section: name of the settings among the owner's, such as `training`. Defaults to none.
    """
    first = _first(error)
    prefix = f"{section}." if section else ""
    place = prefix + ".".join(map(str, first["loc"]))
    where = setting_name(place)
    more = f" ({error.error_count() - 1} more like it.)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        group, dot, name = place.rpartition(".")
        hint = did_you_mean(name, _fields_at(cls, first["loc"][:-1]))
        hint = re.sub("(?<=mean ')[^']*", lambda near: setting_name(f"{group}{dot}{near[0]}"), hint, count=1)
        return f"{owner} has no option {where!r}. {hint}{more}"
    if first["type"] == "missing":
        return f"{owner} needs the option {where!r}, which was not given.{more}"
    shown = _shown(first["input"]) if "input" in first else ""
    fits = 0 < len(shown) <= _LONGEST_SHOWN
    if first["loc"] and (rule := _rule(first)):
        return f"{owner}: {where} must be {rule}{f', not {shown}' if fits else ''}.{_choice_hint(first, section)}{more}"
    message = first["msg"].removeprefix("Value error, ")
    seen = f" is {shown}" if fits else ""
    about = f"option {where!r}{seen}" if first["loc"] else f"{section} options do not fit together".lstrip()
    return f"{owner}: {about}: {message[0].lower()}{message[1:]}.{more}"


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a union allows, or the one type that an annotation is."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def explain_text_for_number(
    values: Mapping[str, Any], cls: type[BaseModel], owner: str, section: str = ""
) -> str | None:
    """Explain a text or a truth value that was given for a number, which pydantic would convert; `None` if none was.

    Arguments:
        values: values by the name of the setting, groups of settings nested.
        owner, section: as for `explain_validation_error`.
    """
    for name, value in values.items():
        kinds = members(cls.model_fields[name].annotation) if name in cls.model_fields else ()
        place = f"{section}.{name}" if section else name
        if isinstance(value, str | bool) and kinds and _NUMBERS.issuperset(kinds):
            rule = _NUMBER if float in kinds else _WHOLE
            return f"{owner}: {setting_name(place)} must be {rule}, not {_shown(value)}."
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if isinstance(value, Mapping) and inner is not None:
            found = explain_text_for_number(value, inner, owner, place)
            if found is not None:
                return found
    return None


def explain_value(error: ValidationError, name: str, *, part: str = "value") -> str:
    """Explain why the value of one command-line option is wrong.

    Arguments:
        name: the option as typed, such as `--lr`.
        part: what the value of `COL=VALUE` is called, for an option that takes such pairs.
    """
    first = _first(error)
    shown, rule = _shown(first["input"]), _rule(first)
    if first["loc"] and rule:
        value = first["input"] if isinstance(first["input"], str) else shown
        return f"{name} {first['loc'][0]}={value}: the {part} must be {rule}."
    if rule:
        return f"{name} must be {rule}, not {shown}."
    message = first["msg"].removeprefix("Value error, ")
    return f"{name} {shown}: {message[0].lower()}{message[1:]}."


def _rule(first: Any) -> str:
    """Say in plain words what the value of an error must be; empty for an error of another type."""
    context = {name: _shown(item) if isinstance(item, float) else item for name, item in first.get("ctx", {}).items()}
    try:
        return _RULES.get(first["type"], "").format(**context).replace("'", "")
    except KeyError:  # the context was left out
        return ""


def _choice_hint(first: Any, section: str) -> str:
    """Return a hint at the choice that a word resembles, as another sentence; empty if there is none."""
    word = first.get("input")
    if first["type"] != "literal_error" or not isinstance(word, str):
        return ""
    if word == "all" and not section and len(first["loc"]) == 1:
        return " Only genzoo compare takes 'all', and tries each."
    choices = {choice.lower(): choice for choice in re.findall(r"'([^']*)'", first["ctx"]["expected"])}
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.8)
    return f" Did you mean {choices[near[0]]!r}?" if near else ""


def _shown(value: Any) -> str:
    """Show a value as it is typed: `null`, `true`, and `1` rather than `1.0`."""
    if value is None or isinstance(value, bool):
        return shown_value(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return str(int(value))
    return _SHOWN.repr(value)


def _first(error: ValidationError) -> Any:
    """Return the first error; without its value if there are very many, which could take more memory than the file."""
    if error.error_count() <= _MANY:
        return error.errors(include_url=False)[0]
    text = error.json(include_url=False, include_context=False, include_input=False)
    return json.JSONDecoder().raw_decode(text, 1)[0]


def _fields_at(cls: type[BaseModel], path: tuple[int | str, ...]) -> Iterable[str]:
    for name in path:
        inner = cls.model_fields[str(name)].annotation if str(name) in cls.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ()
        cls = inner
    # Fields without repr, such as `kind`, are set by the class and not by users.
    return [name for name, field in cls.model_fields.items() if field.repr]


def as_sentence(description: str) -> str:
    """Write the description of a field as a sentence.

    Examples:
        >>> as_sentence("rows per update")
        'Rows per update.'
    """
    end = "" if description.endswith((".", "!", "?")) else "."
    return f"{description[:1].upper()}{description[1:]}{end}" if description else ""


def describe_fields(cls: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """List name, type with bounds, default and description of every field."""
    schema = cls.model_json_schema()
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else _default_text(cls, name)
        rows.append((name, _type_text(field, schema.get("$defs", {})), default, field.get("description", "")))
    return rows


def _default_text(cls: type[BaseModel], name: str) -> str:
    value = cls.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return json.dumps(value.model_dump(mode="json", exclude_defaults=True))
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _type_text(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type_text(option, definitions) for option in field["anyOf"])
    if "$ref" in field:
        return "settings " + ", ".join(definitions[field["$ref"].rsplit("/", 1)[-1]].get("properties", {}))
    if "enum" in field or "const" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    kind = field.get("type", "any")
    if kind == "array" and "items" in field:
        kind = f"list of {_type_text(field['items'], definitions)}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return " ".join([kind, *bounds])
