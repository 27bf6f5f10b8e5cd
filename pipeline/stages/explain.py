"""`explain`: the trained models and a seeded sample → results/explanations."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core import params, runtime
from pipeline.core.files import (
    column_names,
    read_json,
    read_rows,
    sealed_folder,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.core.predictions import read_predictions
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.evaluation import fonts
from pipeline.evaluation.significance import Bootstrap
from pipeline.explanation import (
    candidates,
    controls,
    erasure,
    faithfulness,
    guided,
    measures,
    page,
    readout,
    rows,
    samples,
    trust,
)
from pipeline.explanation.documents import MeasuredRun, faithfulness_document, samples_document
from pipeline.models.network import Network
from pipeline.training import inference
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Show each run's predictions for the same rows, and test how far to trust its weights."""
    settings = params.load_params(workspace.params)
    runtime.pin_threads(settings.threads)
    confidence, chance = settings.evaluate.confidence, settings.explain.seed
    about = read_json(workspace.encoded / "encoding.json")
    test = read_sequences(workspace.encoded / "test.parquet", spans=about["kind"] == "text")
    predictions = {
        (model, seed): read_predictions(workspace.model(model, seed) / "test.parquet")
        for model, seed in settings.runs
    }
    disputed = samples.disputed_rows(read_json(workspace.comparison))
    positions = rows.choose_shown(
        list(predictions.values()), test, disputed, count=settings.explain.samples, seed=chance
    )
    sample = rows.draw_sample(len(test), size=settings.explain.faithfulness_rows, seed=chance)
    raw = _raw(workspace, about, test.rows[np.union1d(positions, sample)])
    shown = rows.select(raw, test, positions)
    drawn = samples.drawn_features(test) if about["kind"] == "series" else []
    tested = rows.select(raw, test, sample)
    fewer = rows.draw_sample(len(sample), size=settings.explain.candidate_rows, seed=chance)
    compared = rows.select(raw, test, sample[fewer])
    bootstrap = Bootstrap(
        confidence=confidence,
        resamples=settings.evaluate.resamples,
        seed=settings.evaluate.seed,
        block=max(1, round(about.get("block", 1) * len(fewer) / len(test))),  # of the drawn rows
    )
    idf, words = _words(workspace, about, tested.sequences, settings.explain)

    network_of = _networks(workspace, settings.seeds)
    with sealed_folder(workspace.explanations, stage="explain") as folder:
        attended: dict[str, dict[int, MeasuredRun]] = {}
        contests: dict[str, dict[int, measures.Measured]] = {}
        lacking = ""
        for model, seed in progress.bar(
            settings.runs, what="explaining", total=len(settings.runs), unit="run"
        ):
            network = network_of(model, seed)
            predicted = predictions[model, seed]
            weights = None
            if network.explainer is not None:
                _, weights = inference.predict_with_weights(network, shown.sequences)
                read = readout.read(network.predictor, tested.sequences)
                measured = faithfulness.measure(
                    tested.sequences,
                    read.split(),
                    partial(inference.predict, network.predictor, batch_size=erasure.BATCH),
                    even=read.outputs(read.even()),
                    evidence=tested.marked,
                    confidence=confidence,
                    seed=chance,
                )
                attended.setdefault(model, {})[seed] = MeasuredRun(
                    read,
                    tested.of(predicted),
                    measured,
                    None
                    if words is None
                    else words.compare(
                        candidates.weights_of(network, words.train),
                        read.weights,
                        confidence=confidence,
                    ),
                )
            if seed in settings.seeds[: settings.explain.candidate_seeds]:
                measured_candidates = measures.measure_run(
                    network,
                    compared,
                    settings.explain,
                    idf=idf,
                    other=network_of(model, _next(settings.seeds, seed), place=1)
                    if weights is not None and len(settings.seeds) > 1
                    else None,
                )
                if measured_candidates is not None:
                    contests.setdefault(model, {})[seed] = measured_candidates
            document = samples_document(
                shown,
                shown.of(predicted),
                weights,
                about,
                model=model,
                seed=seed,
                disputed=disputed,
                drawn=drawn,
            )
            lacking = page.undrawable(document)  # the rows are the same for every run
            own = folder / f"{model}-{seed}"
            write_json(own / "samples.json", document)
            write_text(own / "attention.html", page.render(document))
            write_bytes(own / "attention.png", page.draw(document))
        tests = faithfulness_document(
            attended,
            {
                model: controls.summarize(of_model, settings.explain, bootstrap)
                for model, of_model in contests.items()
            },
            tested,
            about["classes"],
            settings.explain,
            confidence=confidence,
        )
        write_json(folder / "faithfulness.json", tests)
        write_text(folder / "trust.md", trust.markdown(trust.cards(tests)))
    if lacking:
        progress.say(fonts.notice(lacking, "attention.png has boxes for them; see attention.html"))
    progress.say(f"explained {len(positions)} test rows by {len(settings.runs)} runs")


def _networks(workspace: Workspace, seeds: Sequence[int]) -> Callable[..., Network]:
    """Load models of (model, seed), in one of two places.

    The seeds of a model share a network in each place, since that is compiled only once: the next
    one that is loaded there replaces its weights.
    """

    @lru_cache(maxsize=2)
    def shared(model: str, place: int) -> Network:
        return inference.load_model(workspace.model(model, seeds[place])).network

    def load(model: str, seed: int, *, place: int = 0) -> Network:
        network = shared(model, place)
        loaded = inference.load_model(workspace.model(model, seed)).network
        network.predictor.set_weights(loaded.predictor.get_weights())
        return network

    return load


def _next(seeds: Sequence[int], seed: int) -> int:
    """The seed after this one; the first after the last."""
    return seeds[(seeds.index(seed) + 1) % len(seeds)]


def _words(
    workspace: Workspace, about: Mapping[str, Any], tested: Sequences, settings: params.Explain
) -> tuple[NDArray[np.float64] | None, guided.Words | None]:
    """How rare each token is in train, and the rows for words without context; None for a series.

    Those are for classes alone.
    """
    if about["kind"] == "series":
        return None, None
    size = about["vocabulary_size"]
    train = read_sequences(workspace.encoded / "train.parquet")
    idf = candidates.inverse_frequencies(train, size)
    if about["task"] == "regression":
        return idf, None
    few = rows.draw_sample(len(train), size=settings.guided_rows, seed=settings.seed)
    return idf, guided.Words(train.take(few), tested, size)


def _raw(workspace: Workspace, about: Mapping[str, Any], wanted: NDArray[np.int64]) -> pa.Table:
    """Some raw test rows: `row`, the text and, if there is any, evidence; a series has no texts."""
    path = workspace.raw / "test.parquet"
    names = {"evidence"} if about["kind"] == "series" else {"text", "evidence"}
    names -= {*about.get("features", ()), about.get("target")}  # the user's own columns
    columns = [name for name in column_names(path) if name in names]
    found = read_rows(path, wanted, columns) if columns else {}
    return pa.table({"row": wanted, **{name: found[name] for name in columns}})
