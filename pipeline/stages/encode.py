"""`encode`: data/raw → data/encoded."""

from functools import partial
from typing import Any

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import (
    read_json,
    read_parts,
    read_table,
    sealed_folder,
    write_array,
    write_json,
    write_text,
)
from pipeline.core.predictions import SPLITS, UNLABELED
from pipeline.core.sequences import read_sequences, write_parts, write_sequences
from pipeline.encoding.corpus import corpus_report, encode_corpus
from pipeline.encoding.series import encode_series, series_report
from pipeline.encoding.text import frequent_bigrams, frequent_trigrams, split_report
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Text: split and tokenize. Series: standardize and cut into windows. With a report."""
    entry = params.load_params(workspace.params).entry
    card = read_json(workspace.raw / "card.json")
    if isinstance(entry, params.SeriesEntry):
        _encode_series(workspace, entry.encode, card)
    else:
        _encode_text(workspace, entry.encode, card)


def _encode_text(workspace: Workspace, settings: params.TextEncode, card: dict[str, Any]) -> None:
    paths = {name: workspace.raw / f"{name}.parquet" for name in SPLITS}
    if not paths["validation"].exists():
        del paths["validation"]
    columns = [
        "text",
        "label",
        *(["group"] if {"group_column", "group_rows"} & card["source"].keys() else []),
    ]
    raw = {name: partial(read_parts, path, columns) for name, path in paths.items()}
    unlabeled = workspace.raw / f"{UNLABELED}.parquet"
    if unlabeled.exists():
        raw[UNLABELED] = partial(read_parts, unlabeled, ["text"])
    corpus = encode_corpus(raw, settings)
    reports: dict[str, Any] = {}
    ngrams: dict[str, Any] = {}
    with sealed_folder(workspace.encoded, stage="encode") as folder:
        for name in SPLITS:
            write_parts(folder / f"{name}.parquet", corpus.splits[name])
            written = read_sequences(folder / f"{name}.parquet")
            reports[name] = split_report(written, classes=card["classes"])
            progress.say(f"encoded {name}: {_described(reports[name], settings)}")
            if settings.bigrams and name == "train":
                pairs = ngrams["bigrams"] = frequent_bigrams(written, settings.bigrams)
                if settings.trigrams:
                    ngrams["trigrams"] = frequent_trigrams(written, pairs, settings.trigrams)
        if corpus.unlabeled:
            if corpus.unlabeled["rows"]:
                write_parts(folder / f"{UNLABELED}.parquet", corpus.splits[UNLABELED])
            progress.say(f"encoded {UNLABELED}: {_of_unlabeled(corpus.unlabeled)}")
        write_text(folder / "tokenizer.json", corpus.tokenizer.to_json())
        for name, known in ngrams.items():
            write_array(folder / f"{name}.npy", known)
        counts = {name: len(known) for name, known in ngrams.items()}
        report = corpus_report(corpus, reports, settings, ngrams=counts)
        write_json(folder / "encoding.json", _from_card(card) | report)


def _described(report: dict[str, Any], settings: params.TextEncode) -> str:
    """Rows, and how much of the texts is not read."""
    rows = f"{report['rows']:,} rows"
    if not report["truncated_rows"]:
        return rows
    return (
        f"{rows}; {100 * report['tokens_cut_share']:.1f} % of their tokens are not read: "
        f"{report['truncated_rows']:,} texts have more than {settings.max_len}"
    )


def _of_unlabeled(counts: dict[str, int]) -> str:
    """How many rows without labels there are, and how many are left out."""
    rows = f"{counts['rows']:,} rows"
    if not counts["also_in_validation"]:
        return rows
    return f"{rows}; {counts['also_in_validation']:,} others are also in validation: left out"


def _encode_series(
    workspace: Workspace, settings: params.SeriesEncode, card: dict[str, Any]
) -> None:
    tables = {name: read_table(workspace.raw / f"{name}.parquet") for name in SPLITS}
    splits, scaler = encode_series(tables, card, settings)
    with sealed_folder(workspace.encoded, stage="encode") as folder:
        for name, sequences in splits.items():
            write_sequences(folder / f"{name}.parquet", sequences)
            progress.say(f"encoded {name}: {len(sequences):,} rows")
        write_json(folder / "scaler.json", scaler.to_json())
        report = series_report(splits, card, settings)
        write_json(folder / "encoding.json", _from_card(card) | report)


def _from_card(card: dict[str, Any]) -> dict[str, Any]:
    return {key: card[key] for key in ("dataset", "kind", "task", "classes")}
