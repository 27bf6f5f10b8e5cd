"""Whatever stands in a file of parameters: parameters, or an error for people."""

import contextlib
import copy
import datetime

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.core import params
from pipeline.core.params import Params
from pipeline.core.schema import Section
from pipeline.errors import ParamsError
from pipeline.studies.length.settings import load_study
from pipeline.studies.recipe.search import load_search
from tests.support.fuzz import FUZZED, damaged
from tests.support.paths import PARAMS, PROJECT

DOCUMENT = YAML(typ="safe").load(PARAMS.read_text())
OTHERS = {
    "files": {"kind": "files", "path": "reviews.csv"},
    "hub": {"kind": "hub", "path": "imdb"},
    "sequences": {"kind": "sequences", "path": "x.csv", "features": ["a"], "target": "b"},
    "adding": {
        "kind": "adding",
        "train": 9,
        "validation": 9,
        "test": 9,
        "time_steps": 9,
        "seed": 1,
    },
}
for _name, _source in OTHERS.items():
    _like = "ett" if _name in {"sequences", "adding"} and "ett" in DOCUMENT["datasets"] else "demo"
    DOCUMENT["datasets"][_name] = {**DOCUMENT["datasets"][_like], "source": _source}

KNOWN = sorted({key for section in Section.__subclasses__() for key in section.model_fields})
NAMES = (
    st.sampled_from(KNOWN) | st.text(max_size=8) | st.sampled_from(["", "..", "=1+1", "\x1b[2J"])
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 10),
    st.sampled_from([2**31, 2**63, 10**400, -(10**400)]),
    st.floats(),
    st.text(max_size=12),
    NAMES,
    st.dates(),
    st.just(datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)),
    st.binary(max_size=4),
)
KEYS = NAMES | st.none() | st.booleans() | st.integers() | st.floats() | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


def places(node):
    """Every (parent, key) of a document."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


@st.composite
def documents(draw):
    """Ours, with another dataset and a few values of any kind in any place."""
    document = copy.deepcopy(DOCUMENT)
    document["dataset"] = name = draw(st.sampled_from(sorted(document["datasets"])))
    document["datasets"] = {name: document["datasets"][name]}
    for _ in range(draw(st.integers(1, 3))):
        parent, key = draw(st.sampled_from(list(places(document))))
        match draw(st.sampled_from(["replace", "delete", "add"])):
            case "replace":
                parent[key] = draw(VALUES)
            case "delete":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(VALUES)
            case "add":
                parent.append(draw(VALUES))
    return document


@FUZZED
@given(documents())
def test_values_of_any_kind_are_valid_or_named(document):
    """Every property that stages use can then be read."""
    try:
        found = params.parse_params(document)
    except ParamsError as error:
        told = str(error)
    else:
        told = f"{found.runs} {found.entry} {found.class_weight}\n  → "
        assert isinstance(found, Params)
    assert "\n  → " in told


@FUZZED
@given(data=st.data())
def test_a_damaged_file_of_parameters_is_read_or_refused(tmp_path, data):
    """Those of the studies, too."""
    path, load = data.draw(
        st.sampled_from(
            [
                (PARAMS, params.load_params),
                (PROJECT / "studies" / "length" / "params.yaml", load_study),
                (PROJECT / "studies" / "recipe" / "params.yaml", load_search),
            ]
        )
    )
    (tmp_path / "params.yaml").write_bytes(data.draw(damaged(path.read_bytes())))
    with contextlib.suppress(ParamsError):
        assert isinstance(load(tmp_path / "params.yaml"), Section)
