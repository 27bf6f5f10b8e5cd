"""docs/parameters.md: every key of `params.yaml`, from the models that validate it."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.core import params, sources
from pipeline.core.schema import Section
from pipeline.documentation.tables import markdown

# The document's sections: heading, where in the file its keys stand, the model.
SECTIONS: tuple[tuple[str, str, type[Section]], ...] = (
    ("The whole file", "", params.Params),
    ("An entry of text", "datasets.NAME", params.TextEntry),
    ("An entry of numbers", "datasets.NAME", params.SeriesEntry),
    ("Source: demo", "datasets.NAME.source", sources.DemoSource),
    ("Source: hub", "datasets.NAME.source", sources.HubSource),
    ("Source: files", "datasets.NAME.source", sources.FilesSource),
    ("Source: series", "datasets.NAME.source", sources.SeriesSource),
    ("Split of a series", "datasets.NAME.source.split", sources.SeriesSplit),
    ("Source: sequences", "datasets.NAME.source", sources.SequencesSource),
    ("Source: adding", "datasets.NAME.source", sources.AddingSource),
    ("Encoding of text", "datasets.NAME.encode", params.TextEncode),
    ("Word vectors", "datasets.NAME.encode.vectors", params.Vectors),
    ("Language model", "datasets.NAME.encode.language_model", params.LanguageModel),
    ("Encoding of numbers", "datasets.NAME.encode", params.SeriesEncode),
    ("Recipe", "training, datasets.NAME.training, architectures.MODEL", params.Recipe),
    ("Evaluation", "evaluate", params.Evaluate),
    ("Explanation", "explain", params.Explain),
    ("Registry", "registry", params.Registry),
)


TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true` or `false`",
    "null": "null",
}


def document() -> str:
    """Every section with its keys: type and bounds, default, meaning."""
    return "\n\n".join(_section(title, place, model) for title, place, model in SECTIONS)


def _section(title: str, place: str, model: type[Section]) -> str:
    schema = model.model_json_schema()
    rows = [
        [
            f"`{key}`",
            _kind(field),
            _default(field) if key not in schema.get("required", []) else "required",
            field["description"],
        ]
        for key, field in schema["properties"].items()
    ]
    where = ", ".join(f"`{one}`" for one in place.split(", ")) if place else "Top level"
    return f"## {title}\n\n{where}.\n\n{markdown(['key', 'value', 'default', 'meaning'], rows)}"


def _kind(field: Mapping[str, Any]) -> str:
    """Type and allowed values of a field, from its JSON schema."""
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "oneOf" in field or "anyOf" in field:
        kinds = [_kind(one) for one in field.get("oneOf", field.get("anyOf"))]
        return " or ".join(kinds)
    if "$ref" in field:
        return _linked(field["$ref"].rpartition("/")[2])
    if field["type"] == "array":
        return _array(field)
    if field["type"] == "object":
        named = [*field.get("patternProperties", {}).values()]
        values = named[0] if named else field["additionalProperties"]
        known = isinstance(values, dict) and "type" not in values
        return _kind(values) + ", by name" if known else "keys of [Recipe](#recipe)"
    return f"{TYPES[field['type']]}{_bounds(field)}"


def _array(field: Mapping[str, Any]) -> str:
    if "prefixItems" in field:
        return f"{len(field['prefixItems'])} times {_kind(field['prefixItems'][0])}"
    kind = {"integer": "whole numbers", "string": "texts"}[field["items"]["type"]]
    fewest = {0: "", 1: ", one or more", 2: ", two or more"}[field.get("minItems", 0)]
    return f"list of {kind}{fewest}"


def _bounds(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {_number(field[name])}" for name, sign in signs.items() if name in field]
    return f" {', '.join(bounds)}" if bounds else ""


def _number(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else f"{bound:,}"


def _linked(name: str) -> str:
    title = next(title for title, _, model in SECTIONS if model.__name__ == name)
    return f"[{title}](#{anchor(title)})"


def _default(field: Mapping[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`"


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")
