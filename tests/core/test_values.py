"""Every number of params.yaml has bounds, and nothing in that file ends in a traceback."""

import copy
import json
import re

import pytest
from ruamel.yaml import YAML

from pipeline.core import params
from pipeline.core.schema import Section
from pipeline.errors import ParamsError
from tests.support.paths import PARAMS

DOCUMENT = YAML(typ="safe").load(PARAMS.read_text())
FILES = {"kind": "files", "path": "reviews.csv"}
SERIES = {"kind": "series", "path": "x.csv", "features": ["a"], "target": "a"}


def bounds(field):
    """The numbers in a JSON schema that have no bound on one of their sides."""
    if field.get("type") in {"integer", "number"}:
        low = {"minimum", "exclusiveMinimum"} & field.keys()
        high = {"maximum", "exclusiveMaximum"} & field.keys()
        return [] if low and high else [field]
    inner = [*field.get("anyOf", []), *field.get("prefixItems", [])]
    if isinstance(field.get("items"), dict):
        inner.append(field["items"])
    return [one for each in inner for one in bounds(each)]


def test_every_number_has_a_least_and_a_largest_value():
    """Wherever it stands: alone, in a list, or beside null."""
    sections = Section.__subclasses__()
    assert len(sections) > 15
    for section in sections:
        for key, field in section.model_json_schema()["properties"].items():
            assert not bounds(field), f"{section.__name__}.{key}"


def refusal(path, value):
    """The error that a value of params.yaml leads to."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    section = document
    for key in parents:
        section = section[key]
    section[last] = value
    with pytest.raises(ParamsError) as caught:
        params.parse_params(document)
    assert re.search(rf"[`.]{last}[.`]", str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("seeds", [-1], "greater than or equal to 0. Received: -1"),
        ("seeds", [2**32], "less than 4294967296. Received: 4294967296"),
        ("seeds", [1e20], "a valid integer. Received: 1e+20"),
        ("seeds", [True], "a valid integer. Received: True"),
        ("seeds", ["1"], "a valid integer. Received: '1'"),
        ("seeds", ["1/../../../data/own"], "a valid integer"),
        ("threads", 10**11, "less than or equal to 1024. Received: 100000000000"),
        ("threads", True, "a valid integer"),
        ("datasets.demo.training.units", 10**10, "less than or equal to 16384"),
        (
            "datasets.demo.training.learning_rate",
            float("inf"),
            "less than or equal to 10. Received: inf",
        ),
        (
            "datasets.demo.training.learning_rate",
            float("nan"),
            "less than or equal to 10. Received: nan",
        ),
        ("training.dropout", float("nan"), "less than 1. Received: nan"),
        ("training.dropout", "0.5", "a valid number. Received: '0.5'"),
        ("datasets.demo.training.clip_norm", float("inf"), "less than or equal to 1000000"),
        ("evaluate.resamples", 10**12, "less than or equal to 1000000"),
        ("evaluate.confidence", 1.0, "less than 1"),
        ("datasets.demo.source.words", [4000, 20_000_000], "less than or equal to 100000"),
        ("datasets.demo.source.words", [40], "the key `datasets.demo.source.words.1` is missing"),
        ("datasets.demo.encode.max_len", 10**9, "less than or equal to 1000000"),
        ("datasets.demo.source", {**FILES, "classes": []}, "at least 2 items"),
        ("datasets.demo.source", {**FILES, "classes": ["only"]}, "at least 2 items"),
        ("datasets.demo.source", {**FILES, "test_share": 0.0}, "greater than 0. Received: 0.0"),
        ("datasets.demo.source", {**FILES, "path": "~nosuchuser/x"}, "has no folder"),
        ("datasets.demo.source", {**FILES, "path": ""}, "can't be empty"),
        ("datasets.demo.source", {**FILES, "path": "a\0b"}, "can't be empty or hold"),
        ("datasets.demo.source", {**SERIES, "split": [1]}, "valid dictionary"),
        ("dataset", ["demo"], "valid string. Received: ['demo']"),
        ("dataset", {"a": 1}, "valid string. Received: {'a': 1}"),
        ("dataset", 5, "put it in quotes, as you wrote it"),
        ("threads", "x" * 300, f"Received: '{'x' * 198}…"),
        ("datasets", [], "valid dictionary"),
        ("models", "bilstm", "valid tuple"),
        ("seeds", [*range(10_000), -1], "greater than or equal to 0"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_key_and_the_bound(path, value, rule):
    """Before anything is computed with it."""
    assert rule in refusal(path, value)


@pytest.mark.parametrize("key", ["datasets", "architectures"])
def test_names_that_yaml_takes_for_something_else_are_listed(key):
    """`1:` is a number there, `null:` is null."""
    document = {**DOCUMENT, key: {None: {}, 1: {}}}
    with pytest.raises(ParamsError, match=r"It defines: None, 1|valid string"):
        params.parse_params(document)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 1000 + "]" * 1000,
        "a: 2026-13-45T99:99:99Z",
        "? [a, b]\n: 1",
        "a: \x07",
        "[" * 9,
    ],
    ids=["deep", "no date", "a list as key", "control character", "open"],
)
def test_what_the_yaml_reader_stumbles_over_is_a_readable_error(tmp_path, text):
    """Also an error of Python's own in its depths."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        params.load_params(path)
    assert "params.yaml" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "{b: " * 1000, "params.yaml is nested too deeply"),
        ("a: 1\nb: 2\na: 3", 'at line 3: while constructing a mapping, found duplicate key "a"'),
        ("a: {b: 1\nc: 2", "at line 2: while parsing a flow mapping, expected ',' or '}'"),
        ("a: 2026-13-45", "month must be in 1..12"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line_and_reason(tmp_path, text, words):
    """As a person reads it, without Python's own words."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        params.load_params(path)
    assert words in str(caught.value)
    assert "recursion" not in str(caught.value)
    assert "unicode string" not in str(caught.value)


def test_a_long_value_is_shortened():
    """A paragraph, not a page."""
    said = refusal("training", json.loads("[" * 500 + "]" * 500))
    assert len(said) < 500
