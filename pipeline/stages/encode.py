"""`encode`: data/raw → data/encoded."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import artifacts, encoding, params, progress, text
from pipeline.artifacts import Workspace
from pipeline.data import splitting, windows

_BATCH = 1000
_FROM_CARD = ("dataset", "kind", "task", "classes")


def run(workspace: Workspace) -> None:
    """Text: split and tokenize. Series: standardise and cut into windows. With a report."""
    entry = params.load(workspace.params).entry
    card = artifacts.read_json(workspace.raw / "card.json")
    if isinstance(entry, params.SeriesEntry):
        _encode_series(workspace, entry.encode, card)
    else:
        _encode_text(workspace, entry.encode, card)


def _encode_series(
    workspace: Workspace, settings: params.SeriesEncode, card: dict[str, Any]
) -> None:
    tables = {
        name: artifacts.read_table(workspace.raw / f"{name}.parquet") for name in artifacts.SPLITS
    }
    splits, scaler = windows.encode(tables, card, settings)
    with artifacts.new_folder(workspace.encoded) as folder:
        for name, sequences in splits.items():
            artifacts.write_sequences(folder / f"{name}.parquet", sequences)
            progress.say(f"encoded {name}: {len(sequences):,} rows")
        artifacts.write_json(folder / "scaler.json", scaler.to_json())
        artifacts.write_json(
            folder / "encoding.json",
            {
                **{key: card[key] for key in _FROM_CARD},
                "features": card["features"],
                "target": card["target"],
                "time_steps": int(splits["train"].lengths[0]),
                **(_windowed(settings) if card["layout"] == "steps" else {"block": 1}),
                "splits": windows.report(splits),
            },
        )


def _windowed(settings: params.SeriesEncode) -> dict[str, Any]:
    """How windows lie to one another; `block` neighbours share steps, so they err alike."""
    assert settings.window is not None, "windows.encode refuses a series without it"
    return {
        **settings.model_dump(include={"horizon", "stride", "season"}),
        "block": -(-(settings.window + settings.horizon) // settings.stride),
    }


def _encode_text(workspace: Workspace, settings: params.TextEncode, card: dict[str, Any]) -> None:
    tables, masks = _splits(workspace, settings)
    common = _texts_in_common(tables, masks)
    tokenizer = text.train(
        progress.bar(
            _texts(tables["train"], masks["train"]),
            what="reading the vocabulary",
            total=int(masks["train"].sum()),
            unit="text",
        ),
        vocabulary=settings.vocabulary,
        tokenizer=settings.tokenizer,
    )
    with artifacts.new_folder(workspace.encoded) as folder:
        report: dict[str, Any] = {}
        for name in artifacts.SPLITS:
            batches = progress.bar(
                _batches(tables[name], masks[name]),
                what=f"encoding {name}",
                total=-(-tables[name].num_rows // _BATCH),
                unit="thousand",
            )
            sequences, totals = encoding.encode(
                batches, tokenizer, max_len=settings.max_len, keep=settings.keep
            )
            artifacts.write_sequences(folder / f"{name}.parquet", sequences, totals=totals)
            report[name] = encoding.split_report(sequences, totals, classes=card["classes"])
            progress.say(f"encoded {name}: {len(sequences):,} rows")
            if name == "train" and settings.bigrams:
                bigrams = encoding.frequent_bigrams(sequences, settings.bigrams)
                artifacts.write_array(folder / "bigrams.npy", bigrams)
        artifacts.write_text(folder / "tokenizer.json", tokenizer.to_json())
        artifacts.write_json(
            folder / "encoding.json",
            {
                **{key: card[key] for key in _FROM_CARD},
                "vocabulary_size": tokenizer.size,
                "max_len": settings.max_len,
                "keep": settings.keep,
                **({"bigrams": len(bigrams)} if settings.bigrams else {}),
                **settings.model_dump(include={"vectors", "language_model"}, exclude_none=True),
                "splits": report,
                "texts_in_common": common,
            },
        )


def _splits(
    workspace: Workspace, settings: params.TextEncode
) -> tuple[dict[str, pa.Table], dict[str, NDArray[np.bool_]]]:
    """Each split's raw table, and which of its rows belong to it."""
    train = artifacts.read_table(workspace.raw / "train.parquet", ["text", "label"])
    test = artifacts.read_table(workspace.raw / "test.parquet", ["text", "label"])
    everything = {"test": np.ones(test.num_rows, bool)}
    own = workspace.raw / "validation.parquet"
    if own.exists():
        validation = artifacts.read_table(own, ["text", "label"])
        everything["train"] = np.ones(train.num_rows, bool)
        everything["validation"] = np.ones(validation.num_rows, bool)
        return {"train": train, "validation": validation, "test": test}, everything
    held_out = splitting.hold_out(
        train["label"].to_numpy(),
        splitting.identities({"train": train["text"]})["train"],
        share=settings.validation_share,
        seed=settings.seed,
    )
    masks = {**everything, "train": ~held_out, "validation": held_out}
    return {"train": train, "validation": train, "test": test}, masks


def _texts_in_common(
    tables: dict[str, pa.Table], masks: dict[str, NDArray[np.bool_]]
) -> dict[str, int]:
    """How many distinct texts two splits share: none should."""
    numbers = splitting.identities({name: table["text"] for name, table in tables.items()})
    kept = {name: np.unique(numbers[name][mask]) for name, mask in masks.items()}
    return {
        f"{one} and {other}": len(np.intersect1d(kept[one], kept[other]))
        for one, other in itertools.combinations(artifacts.SPLITS, 2)
    }


def _batches(
    table: pa.Table, mask: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]]:
    """(row numbers, texts, labels), a thousand at a time, of the rows that the mask keeps."""
    for start in range(0, table.num_rows, _BATCH):
        kept = np.flatnonzero(mask[start : start + _BATCH])
        if len(kept):
            part = table.slice(start, _BATCH).take(pa.array(kept))
            yield kept + start, part["text"].to_pylist(), part["label"].to_numpy()


def _texts(table: pa.Table, mask: NDArray[np.bool_]) -> Iterator[str]:
    for _, texts, _ in _batches(table, mask):
        yield from texts
