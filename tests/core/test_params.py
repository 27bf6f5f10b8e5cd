import copy

import pytest
from ruamel.yaml import YAML

from pipeline.core import params
from pipeline.errors import ParamsError
from tests.support.paths import PARAMS


@pytest.fixture
def document():
    """The project's own params.yaml, to be changed."""
    return copy.deepcopy(YAML(typ="safe").load((PARAMS).read_text()))


def test_the_projects_own_file_is_valid_for_every_dataset_and_architecture(document):
    """Whatever one word selects can be run."""
    for dataset in document["datasets"]:
        settings = params.parse_params({**document, "dataset": dataset})
        for model in document["architectures"]:
            assert settings.recipe(model).pooling == document["architectures"][model]["pooling"]


def test_the_dataset_overrides_the_defaults_and_the_architecture_overrides_both(document):
    """training < datasets.X.training < architectures.MODEL."""
    document["training"]["units"] = 1
    document["datasets"]["demo"]["training"] = {"units": 2, "epochs": 7}
    document["architectures"]["bilstm"]["units"] = 3
    settings = params.parse_params(document)
    assert settings.recipe("bilstm").units == 3
    assert settings.recipe("bilstm_attention").units == 2
    assert settings.recipe("bilstm").epochs == 7


def test_every_run_is_listed_once(document):
    """The product of models and seeds, and nothing else."""
    document |= {"models": ["bilstm", "bilstm_max"], "seeds": [3, 5]}
    expected = [("bilstm", 3), ("bilstm", 5), ("bilstm_max", 3), ("bilstm_max", 5)]
    assert params.parse_params(document).runs == expected


def test_a_mistake_in_an_entry_that_is_not_selected_stops_nobody(document):
    """A half-written entry of one's own may wait in the file."""
    document["datasets"]["imdb"] = {"sauce": None}
    assert params.parse_params(document).dataset == "demo"


def _set(document, path, value):
    *parents, last = path.split(".")
    for key in parents:
        document = document[key]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("datset", 1, "unknown key `datset` (did you mean `dataset`?)"),
        (
            "datasets.demo.source.trian",
            3,
            "unknown key `datasets.demo.source.trian` (did you mean `train`?)",
        ),
        ("training.dropot", 0.1, "unknown key `dropot` (did you mean `dropout`?)"),
        ("training.dropout", 1.5, "`dropout`: Input should be less than 1. Received: 1.5"),
        (
            "datasets.demo.encode.language_model",
            {"units": 4, "epochs": 1},
            "`language_model` starts from word vectors, so set `vectors` too",
        ),
        (
            "datasets.demo.encode.trigrams",
            9,
            "`trigrams` consist of two bigrams, so set `bigrams` too",
        ),
        ("training.patience", None, "the key `patience` is missing"),
        ("threads", None, "the key `threads` is missing"),
        ("dataset", "imbd", "the dataset 'imbd', which `datasets` does not define (did you mean"),
        (
            "datasets.demo.encode",
            {"vocabulary": 9, "maxlen": 4},
            "unknown key `datasets.demo.encode.maxlen` (did you mean `max_len`?)",
        ),
        (
            "datasets.demo.source",
            {"kind": "files", "path": "a.csv", "classes": []},
            "`datasets.demo.source.classes`: Tuple should have at least 2 items",
        ),
        (
            "datasets.demo.source",
            {"kind": "files", "path": "a.csv", "classes": ["a", "b", "a"]},
            "`datasets.demo.source.classes`: each name once. Received: ['a', 'b', 'a']",
        ),
        (
            "datasets.demo.source",
            {"kind": "files", "path": "a.csv", "classes": ["good", "\x1b[31mbad"]},
            "`datasets.demo.source.classes`: no control characters in names. Received: ['good',",
        ),
        (
            "datasets.demo.source",
            {"kind": "files", "path": "a.csv", "text_column": 5},
            "`datasets.demo.source.text_column`: Input should be a valid string. Received: 5",
        ),
        (
            "datasets.demo.source",
            {"kind": "files", "path": "a.csv", "label_column": ["toxic", "rude"]},
            "several labels in a row are not supported",
        ),
        (
            "datasets.demo.source",
            {
                "kind": "hub",
                "path": "a/b",
                "text_column": ["title", "body"],
                "evidence_column": "why",
            },
            "`evidence_column` counts the characters of one text",
        ),
        ("models", ["bilstm_dit"], "'bilstm_dit', which `architectures` does not define"),
        ("models", [], "`models`"),
        ("seeds", [1, 1], "`seeds` contains duplicates: [1, 1]"),
        ("datasets.demo.source.kind", "dmeo", "`datasets.demo.source`"),
        ("architectures.bilstm.pooling", "first", "Received: 'first'"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_value(document, path, value, said):
    """Each error says which key, what was received, and what to do."""
    _set(document, path, value)
    with pytest.raises(ParamsError) as caught:
        params.parse_params(document)
    assert said in str(caught.value)
    assert "→" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [("a: [", "not valid YAML"), ("- 1", "not a mapping"), (None, "There is no params.yaml")],
)
def test_an_unreadable_file_is_a_readable_error(tmp_path, content, said):
    """Missing, malformed, or a list: one paragraph, no traceback."""
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ParamsError, match=said):
        params.load_params(path)


def test_scientific_notation_is_a_number(tmp_path, document):
    """PyYAML reads 1e-3 as text; DVC's reader, which is ours too, does not."""
    path = tmp_path / "params.yaml"
    text = (PARAMS).read_text()
    path.write_text(text.replace("learning_rate: 0.01\n", "learning_rate: 1e-2\n"))
    assert params.load_params(path).recipe("bilstm").learning_rate == 0.01
