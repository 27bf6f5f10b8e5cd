"""`params.yaml` as frozen, typed sections. An unknown key is an error."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
Position = Literal["anywhere", "start", "middle", "end"]


class Section(pydantic.BaseModel):
    """What every section has in common: frozen, and closed to unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


T = TypeVar("T", bound=Section)


# ── sources ──────────────────────────────────────────────────────────────────────────────


class DemoSource(Section):
    """The bundled corpus, made by a seeded generator."""

    kind: Literal["demo"]
    train: Count
    test: Count
    seed: int
    noise: Share = 0.03
    words: tuple[Count, Count] = (40, 200)
    position: Position = "anywhere"


class HubSource(Section):
    """A dataset of the Hugging Face hub at a pinned revision, or a local copy of one."""

    kind: Literal["hub"]
    path: str
    revision: str | None = None
    config: str | None = None
    train: str = "train"
    validation: str | None = None
    test: str | None = "test"
    unsupervised: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    evidence_column: str | None = None
    classes: tuple[str, ...] | None = None
    test_share: Share = 0.2  # held out of train where `test` is null
    seed: int = 0


class FilesSource(Section):
    """The user's own files: CSV, TSV, JSON lines, JSON, parquet, or a folder of them."""

    kind: Literal["files"]
    path: str
    text_column: str = "text"
    label_column: str = "label"
    evidence_column: str | None = None
    classes: tuple[str, ...] | None = None
    test_share: Share = 0.2
    seed: int = 0


class SeriesSplit(Section):
    """How many steps go to each split, first to last: rows, or shares of all rows."""

    train: Size
    validation: Size
    test: Size

    @pydantic.model_validator(mode="after")
    def _of_one_kind(self) -> "SeriesSplit":
        sizes = (self.train, self.validation, self.test)
        if len({type(size) for size in sizes}) > 1:
            raise ValueError("all three are rows (2880) or all three are shares (0.2)")
        if isinstance(self.train, float) and sum(sizes) > 1 + 1e-9:
            raise ValueError("the three shares add up to more than 1")
        return self


class SeriesSource(Section):
    """Numbers over time, a row each step, of the user's own files; windows are cut from it."""

    kind: Literal["series"]
    path: str
    time_column: str | None = None
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    target: str
    split: SeriesSplit


class SequencesSource(Section):
    """A row for each whole sequence, of the user's own files: a list of numbers per feature."""

    kind: Literal["sequences"]
    path: str
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    target: str
    task: Literal["classification", "regression"] = "classification"
    classes: tuple[str, ...] | None = None
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0


class AddingSource(Section):
    """Hochreiter & Schmidhuber's adding problem, generated."""

    kind: Literal["adding"]
    train: Count
    validation: Count
    test: Count
    time_steps: Annotated[int, Field(ge=2)]
    seed: int


TextSource = Annotated[DemoSource | HubSource | FilesSource, Field(discriminator="kind")]
NumericSource = Annotated[
    SeriesSource | SequencesSource | AddingSource, Field(discriminator="kind")
]
NUMERIC = ("series", "sequences", "adding")  # the kinds of the second


# ── what is done with it ─────────────────────────────────────────────────────────────────


class Vectors(Section):
    """Word vectors, learnt without labels, from which the embedding starts.

    `corpus` is "train", the texts of the training part, or "all", with the unlabelled ones.
    """

    corpus: Literal["train", "all"]
    size: Count
    window: Count = 5
    epochs: Count = 5
    seed: int = 0


class LanguageModel(Section):
    """A warm start of words and Bi-LSTM, learnt without labels (see `pipeline.language_model`).

    `samples` is how many words a right one is told from.
    """

    units: Count
    epochs: Count
    samples: Count = 512
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    word_dropout: Share = 0.1
    seed: int = 0


class TextEncode(Section):
    """How text becomes token ids, and how validation is split off.

    Of a text longer than `max_len` its first tokens are kept, its last, or half of each.
    `bigrams` is how many pairs of neighbouring tokens, the most frequent ones, have an embedding
    of their own; `vectors` is null where every embedding starts from chance.
    """

    tokenizer: Literal["words", "bpe"] = "words"
    vocabulary: Annotated[int, Field(ge=3)]
    max_len: Count
    keep: Literal["head", "tail", "both"] = "head"
    bigrams: Annotated[int, Field(ge=0)] = 0
    vectors: Vectors | None = None
    language_model: LanguageModel | None = None
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0

    @pydantic.model_validator(mode="after")
    def _has_what_it_begins_with(self) -> "TextEncode":
        if self.language_model and not self.vectors:
            raise ValueError("`language_model` goes on from word vectors: set `vectors` too")
        return self


class SeriesEncode(Section):
    """How a series becomes windows. A source of whole sequences needs none of the first four.

    `season` is the length in steps of the cycle that the naive forecast repeats. `relative` gives
    windows and targets as differences from the window's last step (see `data.windows.Scaler`).
    """

    window: Count | None = None
    horizon: Count = 1
    stride: Count = 1
    season: Count | None = None
    standardize: bool = True
    relative: bool = False


class Recipe(Section):
    """One network and its optimisation: everything that training reads besides data and seed."""

    pooling: Literal["last", "mean", "max", "additive", "dot", "dot_last"]
    widened: bool = False
    embedding: Count
    units: Count
    layers: Count = 1
    merge: Literal["concat", "sum"] = "concat"
    normalization: Literal["none", "layer", "batch"] = "none"
    dropout: Share
    word_dropout: Share = 0.0
    spatial_dropout: Share = 0.0
    adversarial: Share = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0
    class_weight: Literal["none", "balanced"] = "none"
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "linear"] = "constant"
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    averaging: Share = 0.0
    epochs: Count
    min_epochs: Count
    patience: Count


class Evaluate(Section):
    """How certainty is measured."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=100)] = 5000
    length_bins: Count = 5
    seed: int = 0


class Explain(Section):
    """Which test rows are shown, and how many are used to test the weights."""

    samples: Count = 24
    faithfulness_rows: Count = 400
    seed: int = 0


class Registry(Section):
    """The gate that a model passes before it becomes the champion.

    A regression has no accuracy: its squared error must be below the best naive forecast's.
    """

    minimum_validation_accuracy: Annotated[float, Field(ge=0, le=1)]


class TextEntry(Section):
    """One entry of `datasets` that holds text."""

    source: TextSource
    encode: TextEncode
    training: dict[str, Any]


class SeriesEntry(Section):
    """One entry of `datasets` that holds numbers."""

    source: NumericSource
    encode: SeriesEncode
    training: dict[str, Any]


def _entry_kind(entry: Any) -> str:
    """Which of the two an entry is: its source says."""
    source = entry.get("source") if isinstance(entry, Mapping) else getattr(entry, "source", None)
    kind = source.get("kind") if isinstance(source, Mapping) else getattr(source, "kind", None)
    return "series" if kind in NUMERIC else "text"


DatasetEntry = Annotated[
    Annotated[TextEntry, pydantic.Tag("text")] | Annotated[SeriesEntry, pydantic.Tag("series")],
    pydantic.Discriminator(_entry_kind),
]


class Params(Section):
    """All of `params.yaml`.

    `datasets` holds the selected entry alone: a mistake in another one stops nobody.
    """

    dataset: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    threads: Count
    datasets: dict[str, DatasetEntry]
    training: dict[str, Any]
    architectures: dict[str, dict[str, Any]]
    evaluate: Evaluate
    explain: Explain
    registry: Registry

    @property
    def entry(self) -> TextEntry | SeriesEntry:
        """The selected dataset's entry."""
        return self.datasets[self.dataset]

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Every (model, seed) that is compared, in the order of the file."""
        return [(model, seed) for model in self.models for seed in self.seeds]

    @property
    def class_weight(self) -> Literal["none", "balanced"]:
        """How rare classes count for every model whose architecture says nothing of it."""
        weight = {**self.training, **self.entry.training}.get("class_weight")
        return "balanced" if weight == "balanced" else "none"

    def recipe(self, model: str) -> Recipe:
        """Merge training defaults < the dataset's `training` < the model's architecture.

        Raises:
            ParamsError: `model` has no architecture, or a key or value is not allowed.
        """
        where = f"training ← datasets.{self.dataset}.training"
        training = {**self.training, **self.entry.training}
        return merged(model, training, self.architectures, where=where)


def load(path: Path) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or holds something that it may not.
    """
    return parse(read(path))


def read(path: Path) -> object:
    """Read YAML as DVC does, by YAML 1.2: `1e-3` is a number, `on` a word.

    Raises:
        ParamsError: it is missing, or is not YAML.
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"There is no {path.name} in {path.parent}.",
            fix="run the command from the project's folder, or restore the file: "
            f"git checkout -- {path.name}",
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(
            f"{path.name} is not valid YAML: {reason}", fix="correct that line."
        ) from None


def parse(document: object) -> Params:
    """Validate the content of `params.yaml`, of whose datasets only the selected one counts."""
    if not isinstance(document, Mapping):
        raise ParamsError(
            f"params.yaml holds {type(document).__name__}, not keys and values.",
            fix="restore it: git checkout -- params.yaml",
        )
    document = dict(document)
    datasets = document.get("datasets")
    selected = document.get("dataset")
    if isinstance(datasets, Mapping):
        if selected not in datasets:
            raise ParamsError(
                f"params.yaml selects the dataset '{selected}', which `datasets` does not define"
                f"{_nearest(str(selected), datasets)}. It defines: {', '.join(datasets)}.",
                fix="set `dataset:` to one of them, or add an entry (make add-data).",
            )
        document["datasets"] = {selected: datasets[selected]}
    params = validated(Params, document, where="params.yaml")
    for field in ("models", "seeds"):
        values = getattr(params, field)
        if len(set(values)) < len(values):
            raise ParamsError(
                f"params.yaml: `{field}` names something twice: {list(values)}.",
                fix="name each once.",
            )
    for model in params.models:
        params.recipe(model)
    return params


def merged(
    model: str,
    training: Mapping[str, Any],
    architectures: Mapping[str, Mapping[str, Any]],
    *,
    where: str,
) -> Recipe:
    """A model's recipe: what all share, overridden by its architecture.

    Raises:
        ParamsError: `model` has no architecture, or a key or value is not allowed.
    """
    if model not in architectures:
        raise ParamsError(
            f"params.yaml lists the model '{model}', which `architectures` does not define"
            f"{_nearest(model, architectures)}. It defines: {', '.join(architectures)}.",
            fix="add it under `architectures`, or take it out of `models`.",
        )
    return validated(
        Recipe,
        {**training, **architectures[model]},
        where=f"{where} ← architectures.{model}",
    )


def validated(section: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Turn values into a section.

    Raises:
        ParamsError: a key is missing or unknown, or a value is not allowed.
    """
    try:
        return section.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        keys = _keys(first["loc"])
        key = ".".join(keys)
        if first["type"] == "extra_forbidden":
            known = _known_keys(section, values, keys[:-1])
            raise ParamsError(
                f"{where}: unknown key `{key}`{_nearest(keys[-1], known)}.",
                fix="correct or remove it; the README's «Parameters» lists every key.",
            ) from None
        if first["type"] == "missing":
            raise ParamsError(
                f"{where}: the key `{key}` is missing.",
                fix="add it; the README's «Parameters» lists every key.",
            ) from None
        raise ParamsError(
            f"{where}: `{key}`: {first['msg']}. Received: {first['input']!r}.",
            fix="correct the value.",
        ) from None


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """The path of keys in the file, without the tags that pydantic adds for what kind it is."""
    keys = [str(part) for part in location]
    if keys[0] == "datasets":  # datasets, NAME, tag, source, tag, key
        keys = keys[:2] + keys[3:4] + (keys[5:] if keys[3:4] == ["source"] else keys[4:])
    return keys


def _known_keys(section: type[Section], values: object, path: list[str]) -> list[str]:
    """The keys allowed where an unknown one was found, as far as they can be told."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    sections = [section, *Section.__subclasses__()]
    given = set(values) if isinstance(values, Mapping) else set()
    best = max(sections, key=lambda candidate: len(given & set(candidate.model_fields)))
    return list(best.model_fields)


def _nearest(word: str, known: Iterable[object]) -> str:
    matches = difflib.get_close_matches(word, [str(item) for item in known], n=1)
    return f" (did you mean `{matches[0]}`?)" if matches else ""
