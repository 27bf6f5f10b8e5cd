import re

import pytest

from pipeline.core import params, sources
from pipeline.core.schema import Section
from pipeline.documentation import parameters
from tests.support.paths import PROJECT


def sections():
    """Every model that validates a part of params.yaml; what others inherit stands there."""
    return [
        model
        for model in {**vars(params), **vars(sources)}.values()
        if isinstance(model, type) and issubclass(model, Section) and not model.__subclasses__()
    ]


@pytest.mark.parametrize("model", sections())
def test_every_key_is_in_the_document_with_its_meaning(model):
    """A key that is added without a docstring is found."""
    (title,) = (title for title, _, known in parameters.SECTIONS if known is model)
    text = (PROJECT / "docs" / "parameters.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.* \| (.+) \|$", section, re.MULTILINE))
    assert rows.keys() == model.model_fields.keys()
    assert rows == {key: field.description for key, field in model.model_fields.items()}


@pytest.mark.parametrize(
    "row",
    [
        "| `noise` | number ≥ 0, < 1 | `0.03` |",
        '| `keep` | `head`, `tail`, `both` | `"head"` |',
        "| `clip_norm` | number > 0, ≤ 1e+06 or null | `null` |",
        "| `words` | 2 times whole number ≥ 1, ≤ 100,000 | `[40, 200]` |",
        "| `vectors` | [Word vectors](#word-vectors) or null | `null` |",
        "| `threads` | whole number ≥ 1, ≤ 1,024 | required |",
        "| `models` | list of texts, one or more | required |",
        "| `training` | keys of [Recipe](#recipe) | required |",
    ],
)
def test_a_row_gives_type_bounds_and_default(row):
    """One of each kind."""
    assert row in parameters.document()
