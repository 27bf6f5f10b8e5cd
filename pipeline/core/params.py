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

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        use_attribute_docstrings=True,  # docs/parameters.md shows them
    )


T = TypeVar("T", bound=Section)


# ── sources ──────────────────────────────────────────────────────────────────────────────


class DemoSource(Section):
    """The bundled corpus, made by a seeded generator."""

    kind: Literal["demo"]
    """The bundled demo corpus."""
    train: Count
    """Reviews to train on; `encode.validation_share` of them validate."""
    test: Count
    """Reviews to test on."""
    seed: int
    """Seed of the generator."""
    noise: Share = 0.03
    """Share of labels that are flipped."""
    words: tuple[Count, Count] = (40, 200)
    """Fewest and most words in a review."""
    position: Position = "anywhere"
    """Where in a review the deciding passages stand."""


class HubSource(Section):
    """A dataset of the Hugging Face hub at a pinned revision, or a local copy of one."""

    kind: Literal["hub"]
    """A dataset of the Hugging Face hub."""
    path: str
    """Its name on the hub, or the folder of a local copy."""
    revision: str | None = None
    """Commit of the dataset's repository; null: the newest, which may change."""
    config: str | None = None
    """The dataset's configuration, where it has several."""
    train: str = "train"
    """Name of the split to train on."""
    validation: str | None = None
    """Name of the split that validates; null: it is taken from train."""
    test: str | None = "test"
    """Name of the split to test on; null: it is taken from train."""
    unsupervised: str | None = None
    """Name of the split without labels, if there is one."""
    text_column: str = "text"
    """Column of the text."""
    label_column: str = "label"
    """Column of the class, a word or a number."""
    evidence_column: str | None = None
    """Column of the character spans that decide the label, if the data has them."""
    classes: tuple[str, ...] | None = None
    """Names of the classes in order; null: as the data names them."""
    test_share: Share = 0.2
    """Share of train that becomes test where `test` is null."""
    seed: int = 0
    """Seed of that choice."""


class FilesSource(Section):
    """The user's own files: CSV, TSV, JSON lines, JSON, parquet, or a folder of them."""

    kind: Literal["files"]
    """Your own file or folder of files."""
    path: str
    """A file or folder; a relative path starts in the project's folder."""
    text_column: str = "text"
    """Column of the text."""
    label_column: str = "label"
    """Column of the class, a word or a number."""
    evidence_column: str | None = None
    """Column of the character spans that decide the label, if the data has them."""
    classes: tuple[str, ...] | None = None
    """Names of the classes in order; null: as the data names them."""
    test_share: Share = 0.2
    """Share of train that becomes test where no file is named test."""
    seed: int = 0
    """Seed of that choice."""


class SeriesSplit(Section):
    """How many steps go to each split, first to last: rows, or shares of all rows."""

    train: Size
    """Steps to train on: a number of rows, or a share of all."""
    validation: Size
    """Steps that validate, after those."""
    test: Size
    """Steps to test on, after those."""

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
    """A table of numbers over time."""
    path: str
    """The file; a relative path starts in the project's folder."""
    time_column: str | None = None
    """Column of the time, which is checked for gaps."""
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns that the network reads."""
    target: str
    """Column to predict."""
    split: SeriesSplit
    """How many steps each split gets, first to last."""


class SequencesSource(Section):
    """A row for each whole sequence, of the user's own files: a list of numbers per feature."""

    kind: Literal["sequences"]
    """A table with a whole sequence in each row."""
    path: str
    """A file or folder; a relative path starts in the project's folder."""
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns that the network reads, a list of numbers in each cell."""
    target: str
    """Column of the class, or of the number to predict."""
    task: Literal["classification", "regression"] = "classification"
    """Whether the target is a class or a number."""
    classes: tuple[str, ...] | None = None
    """Names of the classes in order; null: as the data names them."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of train that validates where no file is named validation."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of train that becomes test where no file is named test."""
    seed: int = 0
    """Seed of both choices."""


class AddingSource(Section):
    """Hochreiter & Schmidhuber's adding problem, generated."""

    kind: Literal["adding"]
    """Generated: the target is the sum of the two marked values."""
    train: Count
    """Sequences to train on."""
    validation: Count
    """Sequences that validate."""
    test: Count
    """Sequences to test on."""
    time_steps: Annotated[int, Field(ge=2)]
    """Length of each sequence."""
    seed: int
    """Seed of the generator."""


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
    """`train`: learn from the training texts; `all`: from the unlabeled ones too."""
    size: Count
    """Features of a vector; must equal `training.embedding`."""
    window: Count = 5
    """Words on each side that count as neighbors."""
    epochs: Count = 5
    """Passes over the texts."""
    seed: int = 0
    """Seed of the initial vectors."""


class LanguageModel(Section):
    """A warm start of words and Bi-LSTM, learnt without labels (see `pipeline.language_model`).

    `samples` is how many words a right one is told from.
    """

    units: Count
    """Units of the LSTM, each way; must equal `training.units`."""
    epochs: Count
    """Passes over the texts."""
    samples: Count = 512
    """How many words the right one is told from."""
    batch_size: Count = 64
    """Texts in a batch."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    """Learning rate of Adam."""
    word_dropout: Share = 0.1
    """Share of the words that are dropped while it learns."""
    seed: int = 0
    """Seed of the initial weights and the batches."""


class TextEncode(Section):
    """How text becomes token ids, and how validation is split off.

    Of a text longer than `max_len` its first tokens are kept, its last, or half of each.
    `bigrams` is how many pairs of neighbouring tokens, the most frequent ones, have an embedding
    of their own; `vectors` is null where every embedding starts from chance.
    """

    tokenizer: Literal["words", "bpe"] = "words"
    """What a token is: a word, or a byte pair."""
    vocabulary: Annotated[int, Field(ge=3)]
    """Different tokens at most, with padding and unknown."""
    max_len: Count
    """Tokens of a text that are read."""
    keep: Literal["head", "tail", "both"] = "head"
    """Which tokens of a longer text: the first, the last, or half of each."""
    bigrams: Annotated[int, Field(ge=0)] = 0
    """How many pairs of neighboring tokens, the most frequent ones, get an embedding."""
    vectors: Vectors | None = None
    """Word vectors that the embedding starts from; null: it starts from random numbers."""
    language_model: LanguageModel | None = None
    """Language model that words and Bi-LSTM start from; null: none."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of train that validates where the data has no such split."""
    seed: int = 0
    """Seed of that choice."""

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
    """Steps that the network reads; null: the source has whole sequences."""
    horizon: Count = 1
    """How many steps after the window the target lies."""
    stride: Count = 1
    """Steps between the starts of two windows."""
    season: Count | None = None
    """Length in steps of the cycle that the seasonal naive forecast repeats."""
    standardize: bool = True
    """Whether columns are scaled by their mean and standard deviation in train."""
    relative: bool = False
    """Whether windows and targets are differences from the window's last step."""


class Recipe(Section):
    """One network and its optimisation: everything that training reads besides data and seed."""

    pooling: Literal["last", "mean", "max", "additive", "dot", "dot_last"]
    """How the hidden states become one vector."""
    widened: bool = False
    """Whether the LSTM is widened to have as many parameters as additive attention."""
    embedding: Count
    """Features of a token."""
    units: Count
    """Units of the LSTM, each way."""
    layers: Count = 1
    """Bi-LSTMs on top of one another."""
    merge: Literal["concat", "sum"] = "concat"
    """How the two directions are joined."""
    normalization: Literal["none", "layer", "batch"] = "none"
    """Normalization between encoder and pooling."""
    dropout: Share
    """Share of the pooled features dropped before the head."""
    word_dropout: Share = 0.0
    """Share of whole words dropped."""
    spatial_dropout: Share = 0.0
    """Share of whole embedding features dropped, in all words at once."""
    adversarial: Share = 0.0
    """Train on each batch again, moved against the model by this share of its norm."""
    l2: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the penalty on the attention's W and u."""
    class_weight: Literal["none", "balanced"] = "none"
    """`balanced` makes rare classes count as much as frequent ones in the loss."""
    batch_size: Count
    """Rows in a batch."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """Whether the rate stays, or falls linearly to 2 % of itself."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of a variable's gradient; null: gradients are not clipped."""
    averaging: Share = 0.0
    """Decay of the weights' moving average, which validates and is kept; 0: none."""
    epochs: Count
    """Passes over train at most."""
    min_epochs: Count
    """Passes before early stopping may end the training."""
    patience: Count
    """Epochs without a better validation loss before it ends."""


class Evaluate(Section):
    """How certainty is measured."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence of every interval."""
    resamples: Annotated[int, Field(ge=100)] = 5000
    """Bootstrap samples."""
    length_bins: Count = 5
    """Groups of test rows of like length, for accuracy by length."""
    seed: int = 0
    """Seed of the bootstrap."""


class Explain(Section):
    """Which test rows are shown, and how many are used to test the weights."""

    samples: Count = 24
    """Test rows that are shown, beside those on which the models disagree most."""
    faithfulness_rows: Count = 400
    """Test rows that the weights are tested on."""
    seed: int = 0
    """Seed of the choice of rows, and of the random deletions."""


class Registry(Section):
    """The gate that a model passes before it becomes the champion.

    A regression has no accuracy: its squared error must be below the best naive forecast's.
    """

    minimum_validation_accuracy: Annotated[float, Field(ge=0, le=1)]
    """What a champion must reach."""


class TextEntry(Section):
    """One entry of `datasets` that holds text."""

    source: TextSource
    """Where the data comes from."""
    encode: TextEncode
    """How it is encoded."""
    training: dict[str, Any]
    """What this dataset overrides in `training`."""


class SeriesEntry(Section):
    """One entry of `datasets` that holds numbers."""

    source: NumericSource
    """Where the data comes from."""
    encode: SeriesEncode
    """How it is encoded."""
    training: dict[str, Any]
    """What this dataset overrides in `training`."""


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
    """Which entry of `datasets` is used."""
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """What is compared: names of `architectures`."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    """Every model is trained once with each."""
    threads: Count
    """Threads that compute; another number gives other last digits."""
    datasets: dict[str, DatasetEntry]
    """The datasets by name."""
    training: dict[str, Any]
    """The recipe that all models share."""
    architectures: dict[str, dict[str, Any]]
    """The models by name: what each overrides in `training`."""
    evaluate: Evaluate
    """Intervals, bootstrap, and groups by length."""
    explain: Explain
    """How many rows are explained."""
    registry: Registry
    """The gate to the champion."""

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
        return merge_recipe(model, training, self.architectures, where=where)


def load_params(path: Path) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or holds something that it may not.
    """
    return parse_params(read_yaml(path))


def read_yaml(path: Path) -> object:
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


def parse_params(document: object) -> Params:
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
    params = validate(Params, document, where="params.yaml")
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


def merge_recipe(
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
    return validate(
        Recipe,
        {**training, **architectures[model]},
        where=f"{where} ← architectures.{model}",
    )


def validate(section: type[T], values: Mapping[str, Any], *, where: str) -> T:
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
                fix="correct or remove it; docs/parameters.md lists every key.",
            ) from None
        if first["type"] == "missing":
            raise ParamsError(
                f"{where}: the key `{key}` is missing.",
                fix="add it; docs/parameters.md lists every key.",
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
