"""What the stages that train share: a network before its training, and what is kept after it."""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from pipeline import fingerprint
from pipeline.core import runtime
from pipeline.core.files import (
    read_array,
    read_arrays,
    read_json,
    write_csv,
    write_json,
    write_text,
)
from pipeline.core.params import Recipe
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.core.sequences import NETWORK_INPUTS, Sequences
from pipeline.errors import ParamsError
from pipeline.models.network import build_network
from pipeline.training import inference
from pipeline.training.loop import TrainingResult

# What a model's card repeats of its data's `encoding.json`.
_ABOUT = ("dataset", "kind", "task", "classes", *NETWORK_INPUTS)


@dataclass(frozen=True)
class TrainingRun:
    """One model that is trained with one seed.

    Attributes:
        model: its name.
        seed: of its weights, of dropout and of the order of the rows.
        recipe: how it is made and trained.
        about: `encoding.json` of the data.
        data: the folder of encoded data.
        start: the folder of what was learnt without labels, to begin with.
        threads: that compute it.
        configuration: fingerprint of all that decides it, without the seed.
        fingerprint: with the seed.
    """

    model: str
    seed: int
    recipe: Recipe
    about: Mapping[str, Any]
    data: Path
    start: Path | None
    threads: int
    configuration: str
    fingerprint: str

    @classmethod
    def for_stage(
        cls,
        stage: str,
        model: str,
        seed: int,
        recipe: Recipe,
        *,
        data: Path,
        start: Path | None = None,
        libraries: Path,
        threads: int,
    ) -> "TrainingRun":
        """What a stage trains on a folder of encoded data.

        Args:
            stage: its module, its `__name__`.
            model: the model's name.
            seed: what it is trained with.
            recipe: the model's.
            data: the folder.
            start: the folder of what was learnt without labels, to begin with.
            libraries: their lock file.
            threads: that compute it.
        """
        configuration = fingerprint.configuration(
            stage,
            [*sorted(data.iterdir()), *(sorted(start.glob("*.np?")) if start else [])],
            libraries,
            [model, threads, recipe.model_dump()],
        )
        return cls(
            model=model,
            seed=seed,
            recipe=recipe,
            about=read_json(data / "encoding.json"),
            data=data,
            start=start,
            threads=threads,
            configuration=configuration,
            fingerprint=fingerprint.digest([], [configuration, seed]),
        )

    def build(self) -> keras.Model:
        """The network before its training; from here on the process's chance is the seed's.

        Raises:
            ParamsError: what it is to begin with has other sizes.
        """
        runtime.pin_threads(self.threads)
        keras.utils.set_random_seed(self.seed)
        made = build_network(
            self.recipe,
            kind=self.about["kind"],
            task=self.about["task"],
            classes=len(self.about["classes"]),
            vocabulary_size=self.about.get("vocabulary_size", 0),
            bigrams=self.about.get("bigrams", 0),
            features=len(self.about.get("features", [])),
        ).predictor
        if self.about.get("bigrams"):
            made.get_layer("bigrams").pairs = read_array(self.data / "bigrams.npy")
        if self.start:
            self._begin(made, self.start)
        return made

    def _begin(self, made: keras.Model, start: Path) -> None:
        """Give a fresh network the word vectors and, if there is one, the warm Bi-LSTM."""
        if not (start / "vectors.npy").exists():
            return
        vectors = read_array(start / "vectors.npy")  # <float32>[vocabulary, size]
        if vectors.shape[1] != self.recipe.embedding:
            raise ParamsError(
                f"params.yaml: the word vectors have {vectors.shape[1]} features "
                f"(`encode.vectors.size`), the embedding {self.recipe.embedding}.",
                fix=f"set `embedding: {vectors.shape[1]}` in the dataset's `training`, "
                "or the size to that of the embedding.",
            )
        made.get_layer("embedding").embeddings.assign(vectors)
        if not (start / "bilstm.npz").exists():
            return
        warm = read_arrays(start / "bilstm.npz")
        bilstm = made.get_layer("bilstm" if self.recipe.layers == 1 else "bilstm_1")
        if [weight.shape for weight in bilstm.weights] != [array.shape for array in warm]:
            raise ParamsError(
                f"params.yaml: the language model has {len(warm[1])} units each way "
                f"(`encode.language_model.units`), {self.model} {bilstm.weights[1].shape[0]}.",
                fix="give both the same; a widened model can't begin with one: leave it out of "
                "`models`, or set `language_model: null`.",
            )
        bilstm.set_weights(warm)

    def write(
        self,
        folder: Path,
        trained: keras.Model,
        fitted: TrainingResult,
        asked: Mapping[str, Sequences],
    ) -> None:
        """Fill a model's folder: weights, history, summary, card, and predictions.

        Args:
            folder: an empty one.
            trained: the network, with its best weights.
            fitted: how it came to them.
            asked: name → the rows to predict, which go to `NAME.parquet`.
        """
        for name, rows in asked.items():
            outputs = inference.predict(trained, rows)
            predicted = Predictions(rows.rows, rows.targets, outputs)
            write_predictions(folder / f"{name}.parquet", predicted)
        trained.save_weights(folder / "model.weights.h5")
        history = [
            {key: f"{value:.6g}" for key, value in epoch.items()} for epoch in fitted.history
        ]
        write_csv(folder / "history.csv", history)
        write_text(folder / "summary.txt", network_summary(trained))
        write_json(
            folder / "model.json",
            {
                "model": self.model,
                "seed": self.seed,
                **{key: self.about[key] for key in _ABOUT if key in self.about},
                "recipe": self.recipe.model_dump(),
                "parameters": trained.count_params(),
                "best_epoch": fitted.best_epoch,
                "epochs": len(fitted.history),
                "threads": self.threads,
                "configuration": self.configuration,
                "fingerprint": self.fingerprint,
            },
        )

    def write_costs(self, path: Path, fitted: TrainingResult, *, begun: float) -> None:
        """Write time and memory, which differ from run to run, apart from what DVC hashes.

        Args:
            path: of the file.
            fitted: the training.
            begun: what `time.perf_counter` said at the start.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        write_json(
            path,
            {
                "fingerprint": self.fingerprint,
                "wall_seconds": round(time.perf_counter() - begun, 2),
                "peak_memory_mb": round(peak, 1),
                "epoch_seconds": [round(value, 2) for value in fitted.seconds],
            },
        )


def network_summary(model: keras.Model) -> str:
    """The network's layers as a table."""
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=80)
    return "\n".join(lines) + "\n"
