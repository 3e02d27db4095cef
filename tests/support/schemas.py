"""Names and types of the keys in files of genzoo: PYTHONPATH=tests/support python -m schemas writes them down."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from genzoo.comparison.store import RowFile, StoreHeader
from genzoo.config.run_config import RunConfig
from genzoo.persistence.checkpoint import CheckpointState
from genzoo.persistence.model_folder import ModelFile
from genzoo.reports.result import Row
from genzoo.sklearn.storing import EstimatorFile
from genzoo.tuning.folder import TuneHeader

STORED = Path(__file__).parents[1] / "data" / "schemas.json"
FILES: dict[str, Any] = {
    "config.json": RunConfig,
    "state.json": CheckpointState,
    "model/config.json": ModelFile,
    "comparison.json": StoreHeader,
    "rows/*.json": RowFile,
    "row of rows/*.json": Row,
    "estimator.json": EstimatorFile,
    "tune.json": TuneHeader,
}
"""The class of each file; a row is a part of a file, and has its number."""


class WithoutDefaults(GenerateJsonSchema):
    """Leaves out defaults, which pydantic 2.7 cannot encode if they are dataclasses."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def titled(file: str) -> str:
    """Return the name of a file with the newest format that its class writes."""
    cls = RowFile if FILES[file] is Row else FILES[file]
    return f"{file}, format {max(get_args(cls.model_fields['format'].annotation))}"


def keys_of(cls: Any) -> list[str]:
    """Return `path: type` for each key of a class, sorted. Choices, bounds, defaults and descriptions are left out."""
    schema = TypeAdapter(cls).json_schema(mode="serialization", schema_generator=WithoutDefaults)
    return sorted(set(_keys(schema, schema.get("$defs", {}), "", ())))


def _keys(node: Mapping[str, Any], named: Mapping[str, Any], path: str, above: tuple[str, ...]) -> Iterator[str]:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name in above:  # a class that holds itself
            yield f"{path}: {name}"
            return
        node, above = named[name], (*above, name)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _keys(choice, named, path, above)
    if "properties" in node:
        for name, inner in node["properties"].items():
            yield from _keys(inner, named, f"{path}.{name}".lstrip("."), above)
        return
    for step, key in (("[]", "items"), (".*", "additionalProperties")):
        if isinstance(node.get(key), Mapping):
            yield from _keys(node[key], named, path + step, above)
    for number, inner in enumerate(node.get("prefixItems", ())):
        yield from _keys(inner, named, f"{path}[{number}]", above)
    if not {"anyOf", "oneOf", "allOf"} & node.keys():
        yield f"{path}: {node.get('type', 'any')}"


def paths_in(file: Path) -> set[str]:
    """Return the paths of all keys in a JSON file."""
    return set(_paths(json.loads(file.read_text(encoding="utf-8")), ""))


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from _paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{path}[]")


if __name__ == "__main__":
    found = {titled(file): keys_of(cls) for file, cls in FILES.items()}
    before = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    STORED.write_text(json.dumps({**before, **found}, indent=1) + "\n", encoding="utf-8")
