"""`explain`: the trained models and a seeded sample → results/explanations."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core import params, runtime
from pipeline.core.files import (
    new_folder,
    read_json,
    read_table,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.explanation import faithfulness, page, samples
from pipeline.training import inference
from pipeline.workspace import Workspace

Weights = list[NDArray[np.float32]]


class _Rows(NamedTuple):
    """Some test rows.

    Attributes:
        positions: of the rows in the split.
        sequences: their steps.
        texts: as they were; None for a series.
        evidence: of each row what decides it, where that is known: passages of characters, or
            for a series the numbers of its steps.
    """

    positions: NDArray[np.int64]
    sequences: Sequences
    texts: list[str] | None
    evidence: list[Any] | None


def run(workspace: Workspace) -> None:
    """Show what each model made of the same rows, and test how far its weights can be believed."""
    settings = params.load_params(workspace.params)
    runtime.pin_threads(settings.threads)
    about = read_json(workspace.encoded / "encoding.json")
    comparison = read_json(workspace.comparison)
    test = read_sequences(workspace.encoded / "test.parquet")
    predictions = {
        (model, seed): read_predictions(workspace.model(model, seed) / "test.parquet")
        for model, seed in settings.runs
    }
    disputed = {entry["row"] for _, _, entry in samples.disputed(comparison)}
    chosen = samples.choose(
        list(predictions.values()),
        test.lengths,
        count=settings.explain.samples,
        seed=settings.explain.seed,
    )
    raw = _raw(workspace, about)
    shown = _rows(raw, test, np.union1d(chosen, np.flatnonzero(np.isin(test.rows, [*disputed]))))
    tested = _rows(raw, test, _sample(len(test), settings.explain))

    with new_folder(workspace.explanations) as folder:
        believed: dict[str, dict[int, tuple[Weights, dict[str, Any]]]] = {}
        for model, seed in progress.bar(
            settings.runs, what="explaining", total=len(settings.runs), unit="run"
        ):
            network = inference.load_model(workspace.model(model, seed)).network
            said = predictions[model, seed]
            weights = None
            if network.explainer is not None:
                weights = inference.predict_with_weights(network, shown.sequences)[1]
                believed.setdefault(model, {})[seed] = _tested(network, tested, settings)
            document = _document(
                shown, _at(said, shown.positions), weights, about, disputed, model=model, seed=seed
            )
            own = folder / f"{model}-{seed}"
            write_json(own / "samples.json", document)
            write_text(own / "attention.html", page.render(document))
            write_bytes(own / "attention.png", page.draw(document))
        write_json(
            folder / "faithfulness.json",
            _faithfulness(believed, tested, predictions, about["classes"], settings),
        )
    progress.say(f"explained {len(shown.positions)} test rows by {len(settings.runs)} runs")


def _document(
    shown: _Rows,
    predictions: Predictions,
    weights: Weights | None,
    about: Mapping[str, Any],
    disputed: Collection[int],
    *,
    model: str,
    seed: int,
) -> dict[str, Any]:
    """What one run made of the shown rows."""
    if shown.texts is None:
        return samples.series_document(
            model=model,
            seed=seed,
            classes=about["classes"],
            features=about["features"],
            sequences=shown.sequences,
            predictions=predictions,
            weights=weights,
            disagreements=disputed,
        )
    return samples.document(
        model=model,
        seed=seed,
        classes=about["classes"],
        texts=shown.texts,
        sequences=shown.sequences,
        predictions=predictions,
        weights=weights,
        max_len=about["max_len"],
        evidence=shown.evidence,
        disagreements=disputed,
    )


def _tested(network: Any, rows: _Rows, settings: params.Params) -> tuple[Weights, dict[str, Any]]:
    """One fit's weights on the tested rows, and what the tests say of them."""
    _, weights = inference.predict_with_weights(network, rows.sequences)
    evidence = None
    if rows.evidence is not None:
        marked = faithfulness.marked_steps if rows.texts is None else faithfulness.evidence_steps
        evidence = marked(rows.sequences, rows.evidence)
    return weights, faithfulness.measure(
        rows.sequences,
        weights,
        lambda sequences: inference.predict(network.predictor, sequences),
        evidence=evidence,
        confidence=settings.evaluate.confidence,
        seed=settings.explain.seed,
    )


def _faithfulness(
    believed: dict[str, dict[int, tuple[Weights, dict[str, Any]]]],
    rows: _Rows,
    predictions: dict[tuple[str, int], Predictions],
    classes: list[str],
    settings: params.Params,
) -> dict[str, Any]:
    """The tests of every model with attention, over its seeds."""
    confidence, seed = settings.evaluate.confidence, settings.explain.seed
    models = {}
    for model, fits in believed.items():
        weights = [fit_weights for fit_weights, _ in fits.values()]
        said = [_at(predictions[model, fit_seed], rows.positions) for fit_seed in fits]
        models[model] = faithfulness.summarise(
            {fit_seed: measured for fit_seed, (_, measured) in fits.items()},
            faithfulness.agreement(weights, confidence=confidence, seed=seed),
            None
            if rows.texts is None
            else faithfulness.attended_words(
                rows.texts, rows.sequences, list(zip(weights, said, strict=True)), classes
            ),
        )
    return faithfulness.document(models, confidence=confidence)


def _sample(count: int, settings: params.Explain) -> NDArray[np.int64]:
    """Ascending positions of a seeded sample of the test rows."""
    order = np.random.default_rng(settings.seed).permutation(count)
    return np.sort(order[: settings.faithfulness_rows])


def _raw(workspace: Workspace, about: Mapping[str, Any]) -> pa.Table:
    """The texts of test, and the evidence; a window of a series has neither."""
    raw = read_table(workspace.raw / "test.parquet")
    wanted = {"evidence"} if about["kind"] == "series" else {"text", "evidence"}
    wanted -= {*about.get("features", ()), about.get("target")}  # those are the user's own
    return raw.select([name for name in raw.column_names if name in wanted])


def _rows(raw: pa.Table, test: Sequences, positions: NDArray[np.int64]) -> _Rows:
    sequences = test.take(positions)
    evidence = texts = None
    if "text" in raw.column_names:
        texts = raw["text"].take(pa.array(sequences.rows)).to_pylist()
    if "evidence" in raw.column_names:
        evidence = raw["evidence"].take(pa.array(sequences.rows)).to_pylist()
        if texts is not None:
            evidence = [[(span["start"], span["end"]) for span in spans] for spans in evidence]
    return _Rows(positions, sequences, texts, evidence)


def _at(predictions: Predictions, positions: NDArray[np.int64]) -> Predictions:
    return Predictions(
        predictions.rows[positions], predictions.targets[positions], predictions.outputs[positions]
    )
