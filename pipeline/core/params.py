"""`params.yaml` as frozen, typed sections. An unknown key is an error."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from pipeline.core.schema import (
    ClassWeight,
    Count,
    LearningRate,
    Name,
    Part,
    Penalty,
    Resamples,
    Rows,
    Section,
    Seed,
    Share,
    Steps,
    Threads,
    Vocabulary,
    Width,
    Workers,
    read_yaml,
    suggestion,
    validate,
)
from pipeline.core.sources import NUMERIC, NumericSource, TextSource
from pipeline.errors import ParamsError


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
    """Passes over the texts, at most."""
    patience: Count | None = None
    """Passes without a smaller loss on held-out texts before learning stops; the weights are then \
those of the smallest. Null: all passes are made, and the last one's weights are taken."""
    samples: Count = 512
    """Words that the sampled softmax compares the right one with."""
    batch_size: Count = 64
    """Texts in a batch."""
    learning_rate: LearningRate = 0.002
    """Learning rate of Adam."""
    word_dropout: Share = 0.1
    """Share of the words that are dropped during training."""
    state_dropout: Share = 0.0
    """Share of the features of the LSTM's states that are dropped during training."""
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
    trigrams: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] = 0
    """How many triples of neighboring tokens, the most frequent ones, get an embedding. Each \
consists of two of the bigrams, so they need some."""
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

    @pydantic.model_validator(mode="after")
    def _trigrams_have_bigrams(self) -> "TextEncode":
        if self.trigrams and not self.bigrams:
            raise ValueError("`trigrams` consist of two bigrams, so set `bigrams` too")
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
    chrono: Annotated[int, Field(strict=True, ge=3, le=1_000_000)] | None = None  # as of steps
    """Steps over which forget gates remember before they have learned, at most (chrono \
initialization); null: three or four."""
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
    virtual_adversarial: Share = 0.0
    """Size of a perturbation that should not change the predictions for unlabeled texts, as a \
share of the embedding's norm; 0: none."""
    entropy: Penalty = 0.0
    """Weight of the penalty on the entropy of the predictions for unlabeled texts; 0: none."""
    unlabeled_batch_size: Count | None = None
    """Unlabeled texts beside each batch, if either of these is set; null: as many as \
`batch_size`."""
    unlabeled_embeddings: bool = False
    """Whether the unlabeled texts train the words' embeddings, too. Adam moves a rare word as far \
for a small gradient as for a large one, so with few labels, predictions may then confirm \
themselves."""
    l2: Penalty = 0.0
    """Weight of the penalty on the attention's W and u."""
    attention: Literal["softmax", "sparsemax", "entmax"] = "softmax"
    """How attention's scores become weights: the last two give low scores a weight of exactly 0, \
`entmax` (of α = 1.5) fewer of them."""
    attention_entropy: Penalty = 0.0
    """Weight of the penalty on the entropy of attention's weights, as a share of even weights'."""
    attention_conicity: Penalty = 0.0
    """Weight of the penalty on the conicity of the states that attention reads: how alike they \
are, as a mean cosine."""
    class_weight: ClassWeight = "none"
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
    curriculum: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 0  # as of epochs
    """Epochs in which only the shorter rows are learned from, more of them in each; 0: none."""
    plateau: Share = 0.0
    """Share by which validation loss must fall below that of a constant prediction before \
patience counts, so that a model that learns late is not stopped early; 0: it counts from the \
start."""
    workers: Workers = 1
    """Processes that train one model together, each on its rows of every batch: on this machine, \
or on several that `TF_CONFIG` names. Another number changes the last digits of results."""

    @pydantic.field_validator("workers")
    @classmethod
    def _normalize_alike(cls, workers: int, info: pydantic.ValidationInfo) -> int:
        if workers > 1 and info.data.get("normalization") == "batch":
            raise ValueError("`normalization: batch` needs each batch whole, so only 1 is possible")
        return workers

    @property
    def reads_unlabeled(self) -> bool:
        """Whether training reads rows without labels, too."""
        return self.virtual_adversarial > 0 or self.entropy > 0


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
    faithfulness_rows: Rows = 500
    """Test rows on which the weights are tested."""
    candidate_rows: Annotated[Rows, Field(ge=2)] = 500
    """How many of those also compare attention with other methods and with controls. Leaving out \
each token in turn costs a prediction a token."""
    candidate_seeds: Count | None = None
    """How many seeds of each model, the first ones, are compared; null: all. Seeds differ more \
than rows do, so few rows and all seeds tell more than many rows and few seeds."""
    integration_steps: Count = 50
    """Points between the zero embedding and a token's own at which integrated gradients looks. \
The report says how much of the change they miss: the more points, the less."""
    lime_rows: Annotated[Rows, Field(ge=2)] = 20
    """How many of the compared rows LIME explains, too. It decides nothing."""
    lime_samples: Annotated[Count, Field(ge=2)] = 1000
    """Samples of each row, with steps left out, to which LIME is fitted. With fewer than there \
are steps it finds little; each costs a prediction."""
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
    rationale_share: Part | None = None
    """Share of a row's steps, the highest ones, that count as a rationale for F1; null: the \
evidence's own share of the compared rows, so that no method gains by choosing more or fewer."""
    output_bound: Part = 0.01
    """How far the output may move, in total variation, when weights are sought that are as \
different as can be: a point of probability, as in Jain & Wallace 2019."""
    guided_rows: Rows = 2000
    """Training rows to which words without context are fitted, guided by the attention weights or \
by equal ones; only for texts and classes."""
    randomized_rows: Rows = 10
    """How many of the compared rows are explained again with fresh weights in the network. Each \
seed does so three times, so few rows are enough."""
    randomized_below: Part = 0.5
    """Rank correlation with the explanation of a wholly randomized network that the weights must \
stay below: at 0.5 a quarter of the ranks' variance needs nothing that was learned. Otherwise they \
are not supported."""
    seed: Seed = 0
    """Seed of the samples of rows, of whatever is random in the tests, and of fresh weights."""


class Registry(Section):
    """What a model must reach on validation to become the champion."""

    minimum_validation_accuracy: Annotated[float, Field(strict=True, ge=0, le=1)]
    """Accuracy that a champion must reach; a regression has none."""
    require_baseline: bool = True
    """Whether a champion must beat every baseline: by log loss, or for regression by MSE."""
    require_trust: Literal["partly supported", "supported"] | None = None
    """Level that the champion's attention weights must reach on the test rows, if it has any; \
null: none. The tests are then part of the choice of a model, and no longer only measure it."""


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
    def class_weight(self) -> ClassWeight:
        """How rare classes count in the loss, unless an architecture overrides it."""
        weight = {**self.training, **self.entry.training}.get("class_weight")
        return "balanced" if weight == "balanced" else "none"

    def recipe(self, model: str) -> Recipe:
        """Merge training defaults < the dataset's `training` < the model's architecture.

        Raises:
            ParamsError: `model` has no architecture, a key or value is not allowed, or the recipe
                reads rows without labels, which the dataset can't have.
        """
        where = f"training ← datasets.{self.dataset}.training"
        training = {**self.training, **self.entry.training}
        recipe = merge_recipe(model, training, self.architectures, where=where)
        source = self.entry.source
        # What lies in the user's own files is only known once they have been read.
        may_have = source.kind == "files" or getattr(source, "unsupervised", None)
        if recipe.reads_unlabeled and not may_have:
            raise ParamsError(
                f"params.yaml sets `virtual_adversarial` or `entropy` for {model}, but the dataset "
                f"'{self.dataset}' has no texts without labels.",
                fix="set both to 0; a source of kind `hub` may name such texts: "
                "`unsupervised: SPLIT`.",
            )
        return recipe


def load_params(path: Path) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or is invalid.
    """
    return parse_params(read_yaml(path))


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
                f"{suggestion(str(selected), datasets)}. It defines: {_listed(datasets)}.",
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
            f"{suggestion(model, architectures)}. It defines: {_listed(architectures)}.",
            fix="add it under `architectures`, or remove it from `models`.",
        )
    return validate(
        Recipe,
        {**training, **architectures[model]},
        where=f"{where} ← architectures.{model}",
    )


def _listed(keys: Iterable[object]) -> str:
    return ", ".join(map(str, keys))  # a key of YAML may be a number or null
