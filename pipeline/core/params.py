"""`params.yaml` as frozen, typed sections. An unknown key is an error."""

import difflib
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.texts import unprintable
from pipeline.errors import ParamsError

# Names of folders, of DVC's stages and of MLflow's experiments, and words of a shell's command.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]

# Every number has bounds; `strict` refuses `true` and `"1"`, which are numbers to pydantic.
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]  # NumPy's and Keras's have 32 bits
Threads = Annotated[int, Field(strict=True, ge=1, le=1024)]  # no machine has more cores
Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]  # of passes, trials, groups, texts
Rows = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]  # all are held in memory
Steps = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]  # a step's states are kept
Width = Annotated[int, Field(strict=True, ge=1, le=16_384)]  # an LSTM has 8 · width² weights
Vocabulary = Annotated[int, Field(strict=True, ge=3, le=10_000_000)]  # an embedding for each
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Part = Annotated[float, Field(strict=True, gt=0, lt=1)]  # a share that can't be empty
Size = Rows | Part
LearningRate = Annotated[float, Field(strict=True, gt=0, le=10)]  # Adam's steps are that large
Resamples = Annotated[int, Field(strict=True, ge=100, le=1_000_000)]  # each is kept


def _expanded(path: str) -> str:
    """A path that the system takes, once `~` is replaced."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("`~` names a user who has no folder on this machine") from None
    if not path or "\0" in path:
        raise ValueError("a path can't be empty or hold the character NUL")
    return path


UserPath = Annotated[str, AfterValidator(_expanded)]
Position = Literal["anywhere", "start", "middle", "end"]


def _clean(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    if any(map(unprintable, names)):
        raise ValueError("no control characters in names")
    return names


def _single(column: object) -> object:
    if isinstance(column, list | tuple):
        raise ValueError("one column; several labels in a row are not supported")
    return column


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_clean)]
Classes = Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_clean)]
LabelColumn = Annotated[str, BeforeValidator(_single)]


class Section(pydantic.BaseModel):
    """Base of every section: frozen, and unknown keys are errors."""

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        use_attribute_docstrings=True,  # shown in docs/parameters.md
    )


T = TypeVar("T", bound=Section)


# ── sources ──────────────────────────────────────────────────────────────────────────────


class DemoSource(Section):
    """The bundled corpus, written by a seeded generator."""

    kind: Literal["demo"]
    """The bundled demo corpus."""
    train: Rows
    """Reviews to train on; `encode.validation_share` of them are for validation."""
    test: Rows
    """Reviews to test on."""
    seed: Seed
    """Seed of the generator."""
    noise: Share = 0.03
    """Share of labels that are flipped."""
    words: tuple[Count, Count] = (40, 200)
    """Fewest and most words in a review."""
    position: Position = "anywhere"
    """Where in a review the deciding passages are."""


class HubSource(Section):
    """A dataset on the Hugging Face Hub at a pinned revision, or a local copy of one."""

    kind: Literal["hub"]
    """A dataset on the Hugging Face Hub."""
    path: UserPath
    """Its name on the Hub, or the folder of a local copy."""
    revision: str | None = None
    """Commit of the dataset's repository; null: the latest, which may change."""
    config: str | None = None
    """The dataset's configuration, if it has several."""
    train: str = "train"
    """Name of the split to train on."""
    validation: str | None = None
    """Name of the split for validation; null: it is taken from train."""
    test: str | None = "test"
    """Name of the split to test on; null: it is taken from train."""
    unsupervised: str | None = None
    """Name of the split without labels, if any."""
    text_column: str | Names = "text"
    """Column of the text, or a list of columns, whose texts are joined by a blank line."""
    label_column: LabelColumn = "label"
    """Column of the class, a word or a number."""
    evidence_column: str | None = None
    """Column of the character spans that decide the label, if the data has them."""
    group_column: str | None = None
    """Column of what rows belong to, such as a product; a split made here never divides a group."""
    classes: Classes | None = None
    """Names of the classes in order; null: as the data names them."""
    test_share: Part = 0.2
    """Share of train that becomes test if `test` is null."""
    seed: Seed = 0
    """Seed of that split."""

    @pydantic.model_validator(mode="after")
    def _evidence_is_in_one_text(self) -> "HubSource":
        _require_one_text(self)
        return self


class FilesSource(Section):
    """The user's own files: CSV, TSV, JSON lines, JSON, parquet, or a folder of them."""

    kind: Literal["files"]
    """Your own file or folder of files."""
    path: UserPath
    """A file or folder; a relative path starts at the project's folder."""
    columns: Names | None = None
    """Names of the columns in order, if the files have no header; null: the first line has them."""
    quoting: Literal["minimal", "none"] | None = None
    """What a quotation mark means in CSV and TSV. `minimal`: it may enclose a cell; `none`: it is \
a character like any other; null: as `minimal`, but where that is doubtful the file is refused."""
    text_column: str | Names = "text"
    """Column of the text, or a list of columns, whose texts are joined by a blank line."""
    label_column: LabelColumn = "label"
    """Column of the class, a word or a number."""
    evidence_column: str | None = None
    """Column of the character spans that decide the label, if the data has them."""
    group_column: str | None = None
    """Column of what rows belong to, such as a product; a split made here never divides a group."""
    classes: Classes | None = None
    """Names of the classes in order; null: as the data names them."""
    test_share: Part = 0.2
    """Share of train that becomes test if no file is named test."""
    seed: Seed = 0
    """Seed of that split."""

    @pydantic.model_validator(mode="after")
    def _evidence_is_in_one_text(self) -> "FilesSource":
        _require_one_text(self)
        return self


def _require_one_text(source: HubSource | FilesSource) -> None:
    if source.evidence_column and not isinstance(source.text_column, str):
        raise ValueError(
            "`evidence_column` counts the characters of one text, so `text_column` must be one "
            "column, no list"
        )


class SeriesSplit(Section):
    """How many steps go to each split, in order: rows, or shares of all rows."""

    train: Size
    """Steps to train on: a number of rows, or a share of all."""
    validation: Size
    """Steps for validation, which follow those."""
    test: Size
    """Steps to test on, which follow those."""

    @pydantic.model_validator(mode="after")
    def _sizes_match(self) -> "SeriesSplit":
        sizes = (self.train, self.validation, self.test)
        if len({type(size) for size in sizes}) > 1:
            raise ValueError("all three must be rows (2880) or all three shares (0.2)")
        if isinstance(self.train, float) and sum(sizes) > 1 + 1e-9:
            raise ValueError("the three shares add up to more than 1")
        return self


class SeriesSource(Section):
    """The user's own time series, one row per step; windows are cut from it."""

    kind: Literal["series"]
    """A table of numbers over time."""
    path: UserPath
    """The file; a relative path starts at the project's folder."""
    columns: Names | None = None
    """Names of the columns in order, if the file has no header; null: the first line has them."""
    time_column: str | Names | None = None
    """Column of the time, which is checked for gaps; several, such as date and hour, are joined."""
    time_format: str | None = None
    """How times are written, as in `%d/%m/%Y %H:%M`; null: ISO 8601, or whole numbers."""
    series_column: str | Names | None = None
    """Column that tells the series in one file apart, or columns; no window spans two of them."""
    features: Names
    """Columns that the network reads."""
    target: str
    """Column to predict."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers that are written as text."""
    missing: Literal["error", "ffill"] = "error"
    """What to do about a missing number: refuse it, or repeat the value before."""
    split: SeriesSplit
    """How many steps of each series each split gets, in order."""


class SequencesSource(Section):
    """The user's own sequences, one row each, with a list of numbers per feature."""

    kind: Literal["sequences"]
    """A table with a whole sequence in each row."""
    path: UserPath
    """A file or folder; a relative path starts at the project's folder."""
    features: Names
    """Columns that the network reads, a list of numbers in each cell."""
    target: str
    """Column of the class, or of the number to predict."""
    task: Literal["classification", "regression"] = "classification"
    """Whether the target is a class or a number."""
    classes: Classes | None = None
    """Names of the classes in order; null: as the data names them."""
    validation_share: Part = 0.2
    """Share of train that becomes validation if no file is named validation."""
    test_share: Part = 0.2
    """Share of train that becomes test if no file is named test."""
    seed: Seed = 0
    """Seed of both splits."""


class AddingSource(Section):
    """Hochreiter & Schmidhuber's adding problem, generated."""

    kind: Literal["adding"]
    """Generated: the target is the sum of the two marked values."""
    train: Rows
    """Sequences to train on."""
    validation: Rows
    """Sequences for validation."""
    test: Rows
    """Sequences to test on."""
    time_steps: Annotated[Steps, Field(ge=2)]
    """Length of each sequence."""
    seed: Seed
    """Seed of the generator."""


TextSource = Annotated[DemoSource | HubSource | FilesSource, Field(discriminator="kind")]
NumericSource = Annotated[
    SeriesSource | SequencesSource | AddingSource, Field(discriminator="kind")
]
NUMERIC = ("series", "sequences", "adding")  # the kinds of a NumericSource


# ── encoding and training ────────────────────────────────────────────────────────────────


class Vectors(Section):
    """Word vectors, learned without labels, from which the embedding starts."""

    corpus: Literal["train", "all"]
    """`train`: learn from the training texts; `all`: from the unlabeled ones too."""
    size: Width
    """Features of a vector; must equal `training.embedding`."""
    window: Count = 5
    """Words on each side that count as neighbors."""
    epochs: Count = 5
    """Passes over the texts."""
    seed: Seed = 0
    """Seed of the initial vectors."""


class LanguageModel(Section):
    """A language model, learned without labels, from which embedding and Bi-LSTM start."""

    units: Width
    """Units of the LSTM in each direction; must equal `training.units`."""
    epochs: Count
    """Passes over the texts."""
    samples: Count = 512
    """Words that the sampled softmax compares the right one with."""
    batch_size: Count = 64
    """Texts in a batch."""
    learning_rate: LearningRate = 0.002
    """Learning rate of Adam."""
    word_dropout: Share = 0.1
    """Share of the words that are dropped during training."""
    seed: Seed = 0
    """Seed of the initial weights and the batches."""


class TextEncode(Section):
    """How text becomes token ids, and how validation is split off."""

    tokenizer: Literal["words", "bpe"] = "words"
    """What a token is: a word (`words`), or a piece of one (`bpe`, byte-pair encoding)."""
    vocabulary: Vocabulary
    """Size of the vocabulary at most, including padding and the unknown token."""
    max_len: Steps
    """Tokens of a text that are read, at most."""
    keep: Literal["head", "tail", "both"] = "head"
    """Which tokens of a longer text are read: the first, the last, or half of each."""
    bigrams: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] = 0  # as of words
    """How many pairs of neighboring tokens, the most frequent ones, get an embedding."""
    vectors: Vectors | None = None
    """Word vectors that the embedding starts from; null: it starts from random numbers."""
    language_model: LanguageModel | None = None
    """Language model that embedding and Bi-LSTM start from; null: none."""
    validation_share: Part = 0.2
    """Share of train that becomes validation if the data has no such split."""
    seed: Seed = 0
    """Seed of that split."""

    @pydantic.model_validator(mode="after")
    def _language_model_has_vectors(self) -> "TextEncode":
        if self.language_model and not self.vectors:
            raise ValueError("`language_model` starts from word vectors, so set `vectors` too")
        return self


class SeriesEncode(Section):
    """How a series becomes windows. For whole sequences, the first four keys are not used."""

    window: Steps | None = None
    """Steps that the network reads; null: the source has whole sequences."""
    horizon: Steps = 1
    """How many steps after the window the target is."""
    stride: Steps = 1
    """Steps between the starts of two consecutive windows."""
    season: Steps | None = None
    """Length in steps of the cycle that the seasonal naive forecast repeats."""
    standardize: bool = True
    """Whether columns are scaled by their mean and standard deviation in train."""
    relative: bool = False
    """Whether windows and targets are differences from the window's last step."""


class Recipe(Section):
    """One network and its optimization: everything that training reads besides data and seed."""

    pooling: Literal[
        "last", "mean", "max", "additive", "additive_max", "dot", "dot_last", "dot_max"
    ]
    """How the hidden states become one vector."""
    widened: bool = False
    """Whether the LSTM is widened to have as many parameters as additive attention."""
    embedding: Width
    """Features of a token's embedding."""
    units: Width
    """Units of the LSTM in each direction."""
    layers: Annotated[int, Field(strict=True, ge=1, le=32)] = 1  # each takes time and memory
    """Number of stacked Bi-LSTMs."""
    merge: Literal["concat", "sum"] = "concat"
    """How the two directions are combined."""
    normalization: Literal["none", "layer", "batch"] = "none"
    """Normalization between encoder and pooling."""
    dropout: Share
    """Share of the pooled features that are dropped before the head."""
    word_dropout: Share = 0.0
    """Share of whole words that are dropped."""
    spatial_dropout: Share = 0.0
    """Share of embedding features that are dropped, in all words of a text at once."""
    adversarial: Share = 0.0
    """Size of an adversarial perturbation, as a share of the embedding's norm; 0: none."""
    l2: Annotated[float, Field(strict=True, ge=0, le=1000)] = 0.0  # nothing else counts then
    """Weight of the penalty on the attention's W and u."""
    class_weight: Literal["none", "balanced"] = "none"
    """`balanced` makes rare classes count as much as frequent ones in the loss."""
    batch_size: Count
    """Rows in a batch."""
    learning_rate: LearningRate
    """Learning rate of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """Whether the learning rate stays constant or falls linearly to 2 % of its start."""
    clip_norm: Annotated[float, Field(strict=True, gt=0, le=1e6)] | None = None  # clips nothing
    """Largest norm of a variable's gradient; null: gradients are not clipped."""
    averaging: Share = 0.0
    """Decay of the weights' moving average, which is validated and kept; 0: none."""
    epochs: Count
    """Passes over train, at most."""
    min_epochs: Count
    """Epochs before early stopping may end training."""
    patience: Count
    """Epochs without a better validation loss before training stops."""


class Evaluate(Section):
    """How uncertainty is measured."""

    confidence: Part = 0.95
    """Confidence of every interval."""
    resamples: Resamples = 5000
    """Bootstrap samples."""
    margin: Part | None = 0.005
    """Models whose accuracies differ by less are practically equal; null: that is not tested."""
    length_bins: Count = 5
    """Groups of test rows of similar length, for accuracy by length."""
    seed: Seed = 0
    """Seed of the bootstrap."""


Control = Literal["random", "position", "idf", "untrained_attention", "other_seed"]


class Explain(Section):
    """Which test rows are shown, how many test the attention weights, and what these must beat."""

    samples: Count = 24
    """Test rows that are shown, besides those on which the models disagree most."""
    faithfulness_rows: Rows = 400
    """Test rows on which the weights are tested."""
    candidate_rows: Annotated[Rows, Field(ge=2)] = 50
    """How many of those also compare attention with other methods and with controls. Leaving out \
each token in turn costs a prediction a token."""
    candidate_seeds: Count = 5
    """How many seeds of each model, the first ones, are compared. Seeds differ more than rows do, \
so few rows and all seeds tell more than many rows and few seeds."""
    integration_steps: Count = 16
    """Points between the zero embedding and a token's own at which integrated gradients looks. \
The report says how much of the change they miss: the more points, the less."""
    minimum_gain: Share = 0.01
    """Smallest gain over a control that counts, in probability or, for a number, in standard \
deviations of the predictions: with enough rows any gain becomes clear, but less than a point \
leaves the prediction as it was."""
    partly_supported: tuple[Control, ...] = ("random", "position", "idf", "untrained_attention")
    """Controls that the weights must beat to be partly supported: none of them knows what this \
attention has learned, so weights that don't beat them point at nothing that it found."""
    supported: tuple[Control, ...] = (
        "random",
        "position",
        "idf",
        "untrained_attention",
        "other_seed",
    )
    """Controls that they must beat to be supported. The attention of a network with another seed \
knows the data, but not this network: weights that don't beat it tell of the data alone."""
    seed: Seed = 0
    """Seed of the sample of rows, the random deletions and the untrained attention."""


class Registry(Section):
    """What a model must reach on validation to become the champion."""

    minimum_validation_accuracy: Annotated[float, Field(strict=True, ge=0, le=1)]
    """Accuracy that a champion must reach; a regression has none."""
    require_baseline: bool = True
    """Whether a champion must beat every baseline: by log loss, or for regression by MSE."""


class TextEntry(Section):
    """An entry of `datasets` for text."""

    source: TextSource
    """Where the data comes from."""
    encode: TextEncode
    """How it is encoded."""
    training: dict[str, Any]
    """What this dataset overrides in `training`."""


class SeriesEntry(Section):
    """An entry of `datasets` for numbers."""

    source: NumericSource
    """Where the data comes from."""
    encode: SeriesEncode
    """How it is encoded."""
    training: dict[str, Any]
    """What this dataset overrides in `training`."""


def _entry_kind(entry: Any) -> str:
    """Which of the two an entry is, by the kind of its source."""
    source = entry.get("source") if isinstance(entry, Mapping) else getattr(entry, "source", None)
    kind = source.get("kind") if isinstance(source, Mapping) else getattr(source, "kind", None)
    return "series" if kind in NUMERIC else "text"


DatasetEntry = Annotated[
    Annotated[TextEntry, pydantic.Tag("text")] | Annotated[SeriesEntry, pydantic.Tag("series")],
    pydantic.Discriminator(_entry_kind),
]


class Params(Section):
    """All of `params.yaml`.

    `datasets` holds only the selected entry, so a mistake in another one does no harm.
    """

    dataset: Name
    """Which entry of `datasets` is used."""
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The models to compare: names in `architectures`."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """Each model is trained once with each seed."""
    threads: Threads
    """Number of threads; another number changes the last digits of results."""
    datasets: dict[Name, DatasetEntry]
    """The datasets by name."""
    training: dict[str, Any]
    """The recipe that all models share."""
    architectures: dict[Name, dict[str, Any]]
    """The models by name: what each overrides in `training`."""
    evaluate: Evaluate
    """Intervals, bootstrap, and groups by length."""
    explain: Explain
    """How many rows are explained."""
    registry: Registry
    """What a model must reach to become the champion."""

    @property
    def entry(self) -> TextEntry | SeriesEntry:
        """The selected dataset's entry."""
        return self.datasets[self.dataset]

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Every (model, seed) to train, in the order of the file."""
        return [(model, seed) for model in self.models for seed in self.seeds]

    @property
    def class_weight(self) -> Literal["none", "balanced"]:
        """How rare classes count in the loss, unless an architecture overrides it."""
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
        ParamsError: it is missing, is not YAML, or is invalid.
    """
    return parse_params(read_yaml(path))


def read_yaml(path: Path) -> object:
    """Read YAML 1.2, as DVC does: `1e-3` is a number, `on` a string.

    Raises:
        ParamsError: the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"There is no {path.name} in {path.parent}.",
            fix="run the command from the project's folder, or restore the file: "
            f"git checkout -- {path.name}",
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(
            f"{path.name} is not valid YAML: {reason}", fix="fix that line."
        ) from None


def parse_params(document: object) -> Params:
    """Validate the content of `params.yaml`; of its datasets, only the selected one."""
    if not isinstance(document, Mapping):
        raise ParamsError(
            f"params.yaml is not a mapping but a {type(document).__name__}.",
            fix="restore it: git checkout -- params.yaml",
        )
    document = dict(document)
    datasets = document.get("datasets")
    selected = document.get("dataset")
    if isinstance(datasets, Mapping) and isinstance(selected, str):
        if selected not in datasets:
            raise ParamsError(
                f"params.yaml selects the dataset '{selected}', which `datasets` does not define"
                f"{_suggestion(str(selected), datasets)}. It defines: {', '.join(datasets)}.",
                fix="set `dataset:` to one of them, or add an entry (make add-data).",
            )
        document["datasets"] = {selected: datasets[selected]}
    params = validate(Params, document, where="params.yaml")
    for field in ("models", "seeds"):
        values = getattr(params, field)
        if len(set(values)) < len(values):
            raise ParamsError(
                f"params.yaml: `{field}` contains duplicates: {list(values)}.",
                fix="list each one once.",
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
    """Merge a model's recipe: the shared training keys, overridden by its architecture.

    Raises:
        ParamsError: `model` has no architecture, or a key or value is not allowed.
    """
    if model not in architectures:
        raise ParamsError(
            f"params.yaml lists the model '{model}', which `architectures` does not define"
            f"{_suggestion(model, architectures)}. It defines: {', '.join(architectures)}.",
            fix="add it under `architectures`, or remove it from `models`.",
        )
    return validate(
        Recipe,
        {**training, **architectures[model]},
        where=f"{where} ← architectures.{model}",
    )


def validate(section: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Validate values as a section.

    Raises:
        ParamsError: a key is missing or unknown, or a value is not allowed.
    """
    try:
        return section.model_validate(values)
    except pydantic.ValidationError as error:
        # A misspelled key may be missing too: the misspelling says more.
        first, *others = error.errors()
        if first["type"] == "missing":
            first = next((one for one in others if one["type"] == "extra_forbidden"), first)
        keys = _keys(first["loc"], values, missing=first["type"] == "missing")
        key = ".".join(keys)
        if first["type"] == "extra_forbidden":
            known = _known_keys(section, values, keys[:-1])
            raise ParamsError(
                f"{where}: unknown key `{key}`{_suggestion(keys[-1], known)}.",
                fix="correct or remove it; docs/parameters.md lists every key.",
            ) from None
        if first["type"] == "missing":
            raise ParamsError(
                f"{where}: the key `{key}` is missing.",
                fix="add it; docs/parameters.md lists every key.",
            ) from None
        raise ParamsError(
            f"{where}: `{key}`: {first['msg'].removeprefix('Value error, ')}. "
            f"Received: {textwrap.shorten(repr(first['input']), 200)}.",
            fix="correct the value; docs/parameters.md says what each key may be.",
        ) from None


def _keys(location: tuple[int | str, ...], values: Any, *, missing: bool) -> list[str]:
    """The path of keys in the file, without the tags that pydantic adds for unions."""
    keys = []
    for part in location:
        named = isinstance(values, Mapping) and part in values
        if named or (isinstance(values, list | tuple) and isinstance(part, int)):
            values = values[part]
            keys.append(str(part))
    return [*keys, str(location[-1])] if missing else keys


def _known_keys(section: type[Section], values: object, path: list[str]) -> list[str]:
    """The keys that are probably allowed where an unknown one was found."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    sections = [section, *Section.__subclasses__()]
    given = set(values) if isinstance(values, Mapping) else set()
    best = max(sections, key=lambda candidate: len(given & set(candidate.model_fields)))
    return list(best.model_fields)


def _suggestion(word: str, known: Iterable[object]) -> str:
    matches = difflib.get_close_matches(word, [str(item) for item in known], n=1)
    return f" (did you mean `{matches[0]}`?)" if matches else ""
