"""What all training stages share: building the untrained network and writing the trained one."""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
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
from pipeline.core.predictions import UNLABELED, Predictions, write_predictions
from pipeline.core.sequences import NETWORK_INPUTS, Sequences, read_sequences
from pipeline.errors import ParamsError
from pipeline.models.network import build_network
from pipeline.training import inference
from pipeline.training.loop import TrainingResult

# What a model's card repeats of its data's `encoding.json`.
_ABOUT = ("dataset", "kind", "task", "classes", *NETWORK_INPUTS)


@dataclass(frozen=True)
class TrainingRun:
    """One model trained with one seed.

    Attributes:
        model: its name.
        seed: for its weights, dropout and the order of the rows.
        recipe: how it is built and trained.
        about: `encoding.json` of the data.
        data: the folder of encoded data.
        pretrained: the folder of pretrained weights, if there is one.
        threads: how many threads compute it.
        configuration: fingerprint of everything that determines it except the seed.
        fingerprint: the same, with the seed.
    """

    model: str
    seed: int
    recipe: Recipe
    about: Mapping[str, Any]
    data: Path
    pretrained: Path | None
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
        pretrained: Path | None = None,
        libraries: Path,
        threads: int,
    ) -> "TrainingRun":
        """Describe what a stage trains on a folder of encoded data.

        Args:
            stage: `__name__` of the stage's module.
            model: the model's name.
            seed: the seed.
            recipe: the model's recipe.
            data: the folder of encoded data.
            pretrained: the folder of pretrained weights, if there is one.
            libraries: the lock file of the libraries.
            threads: how many threads compute it.
        """
        configuration = fingerprint.configuration(
            stage,
            [*sorted(data.iterdir()), *(sorted(pretrained.glob("*.np?")) if pretrained else [])],
            libraries,
            [model, threads, recipe.model_dump()],
        )
        return cls(
            model=model,
            seed=seed,
            recipe=recipe,
            about=read_json(data / "encoding.json"),
            data=data,
            pretrained=pretrained,
            threads=threads,
            configuration=configuration,
            fingerprint=fingerprint.digest([], [configuration, seed]),
        )

    def read_unlabeled(self) -> Sequences | None:
        """The rows without labels, if the recipe reads them.

        Raises:
            ParamsError: it does, but the data has none.
        """
        if not self.recipe.reads_unlabeled:
            return None
        path = self.data / f"{UNLABELED}.parquet"
        if not path.exists():
            left_out = self.about.get("unlabeled", {}).get("also_in_validation", 0)
            raise ParamsError(
                f"`virtual_adversarial` or `entropy` is set for {self.model}, but its data, "
                f"{self.about['dataset']}, has no texts without labels"
                f"{' but those that are also in validation' if left_out else ''}.",
                fix="give it some, as docs/own-data.md shows, or set both to 0.",
            )
        return read_sequences(path)

    def build_network(self) -> keras.Model:
        """Build the untrained network, and seed this process's random generators.

        Raises:
            ParamsError: the pretrained weights have other shapes.
        """
        runtime.pin_threads(self.threads)
        keras.utils.set_random_seed(self.seed)
        network = build_network(
            self.recipe,
            kind=self.about["kind"],
            task=self.about["task"],
            classes=len(self.about["classes"]),
            vocabulary_size=self.about.get("vocabulary_size", 0),
            bigrams=self.about.get("bigrams", 0),
            trigrams=self.about.get("trigrams", 0),
            features=len(self.about.get("features", [])),
        ).predictor
        for ngrams in ("bigrams", "trigrams"):
            if self.about.get(ngrams):
                network.get_layer(ngrams).pairs = read_array(self.data / f"{ngrams}.npy")
        if self.pretrained:
            self._load_pretrained(network, self.pretrained)
        return network

    def _load_pretrained(self, network: keras.Model, folder: Path) -> None:
        """Load the word vectors and, if there is one, the language model's Bi-LSTM."""
        if not (folder / "vectors.npy").exists():
            return
        vectors = read_array(folder / "vectors.npy")  # <float32>[vocabulary, size]
        if vectors.shape[1] != self.recipe.embedding:
            raise ParamsError(
                f"params.yaml: the word vectors have {vectors.shape[1]} features "
                f"(`encode.vectors.size`), but the embedding has {self.recipe.embedding}.",
                fix=f"set `embedding: {vectors.shape[1]}` in the dataset's `training`, "
                f"or `encode.vectors.size` to {self.recipe.embedding}.",
            )
        network.get_layer("embedding").embeddings.assign(vectors)
        if not (folder / "bilstm.npz").exists():
            return
        weights = read_arrays(folder / "bilstm.npz")
        bilstm = network.get_layer("bilstm" if self.recipe.layers == 1 else "bilstm_1")
        if [weight.shape for weight in bilstm.weights] != [array.shape for array in weights]:
            raise ParamsError(
                f"params.yaml: the language model has {len(weights[1])} units per direction "
                f"(`encode.language_model.units`), but {self.model} has "
                f"{bilstm.weights[1].shape[0]}.",
                fix="set both to the same number. A widened model can't start from a language "
                "model: remove it from `models`, or set `language_model: null`.",
            )
        bilstm.set_weights(weights)

    def write_model(
        self,
        folder: Path,
        network: keras.Model,
        result: TrainingResult,
        splits: Mapping[str, Sequences],
    ) -> None:
        """Write a model's files: weights, history, summary, card and predictions.

        Args:
            folder: an empty folder.
            network: the trained network, with its best weights.
            result: what `train_model` returned.
            splits: name → the rows to predict, written to `NAME.parquet`.

        Raises:
            ParamsError: training diverged: in no epoch was the validation loss a number.
        """
        if isnan(result.history[result.best_epoch - 1]["val_loss"]):
            raise ParamsError(
                f"{self.model} with seed {self.seed} diverged: its validation loss is not a number "
                "from the first epoch on.",
                fix="lower `learning_rate` in its recipe in params.yaml, or set `clip_norm: 1.0`.",
            )
        for name, rows in splits.items():
            outputs = inference.predict(network, rows)
            predicted = Predictions(rows.rows, rows.targets, outputs)
            write_predictions(folder / f"{name}.parquet", predicted)
        network.save_weights(folder / "model.weights.h5")
        history = [
            {key: f"{value:.6g}" for key, value in epoch.items()} for epoch in result.history
        ]
        write_csv(folder / "history.csv", history)
        write_text(folder / "summary.txt", network_summary(network))
        write_json(
            folder / "model.json",
            {
                "model": self.model,
                "seed": self.seed,
                **{key: self.about[key] for key in _ABOUT if key in self.about},
                "recipe": self.recipe.model_dump(),
                **self._read_besides(),
                "parameters": network.count_params(),
                "best_epoch": result.best_epoch,
                "epochs": len(result.history),
                "threads": self.threads,
                "configuration": self.configuration,
                "fingerprint": self.fingerprint,
            },
        )

    def _read_besides(self) -> dict[str, Any]:
        """What a model has learned from besides the rows of train, for the card."""
        found: dict[str, Any] = {}
        if self.recipe.reads_unlabeled:
            found["unlabeled_rows"] = self.about["unlabeled"]["rows"]
        if self.pretrained and (self.pretrained / "bilstm.npz").exists():
            learned = read_json(self.pretrained / "vectors.json")["language_model"]
            if "held_out_perplexity" in learned:  # earlier versions kept losses alone
                found["held_out_perplexity"] = learned["held_out_perplexity"]
        return found

    def write_costs(self, path: Path, result: TrainingResult, *, begun: float) -> None:
        """Write time and memory, which differ from run to run, to a file outside DVC.

        Args:
            path: the file.
            result: what `train_model` returned.
            begun: `time.perf_counter()` at the start.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        write_json(
            path,
            {
                "fingerprint": self.fingerprint,
                "wall_seconds": round(time.perf_counter() - begun, 2),
                "peak_memory_mb": round(peak, 1),
                "epoch_seconds": [round(value, 2) for value in result.seconds],
            },
        )


def network_summary(model: keras.Model) -> str:
    """Format the network's layers as a table."""
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=80)
    return "\n".join(lines) + "\n"
