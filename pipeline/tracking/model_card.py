"""What a user of a registered model should know, in Markdown."""

from collections.abc import Mapping
from typing import Any

from pipeline.tracking.provenance import DataVersion
from pipeline.tracking.records import Record


def model_card(
    record: Record, document: Mapping[str, Any], data: DataVersion, about: Mapping[str, Any]
) -> str:
    """What a user of the model should know, in Markdown.

    Args:
        record: the model's run.
        document: `comparison.json`.
        data: what it was trained on.
        about: `encoding.json` of that data.
    """
    result = record.params["model"]
    described = document["models"][result]
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    table = "\n".join(
        f"| {metric} | {_spread(described['validation'][metric])} | "
        f"{_spread(described['test'][metric])} | {record.metrics.get(f'test/{metric}', 0):.4f} |"
        for metric in described["test"]
    )
    limits = "\n".join(f"- {limit}" for limit in _limits(about))
    return f"""\
# {record.name} on {data.name}

**Intended use.** {_use(about)} It shows on request what it attended to. Not meant for decisions
about people.

**Data.** `{data.name}`, version `{data.digest}`: {rows} rows. Source: `{data.source}`.

**How good.** Mean ± standard deviation over the seeds {", ".join(map(str, described["seeds"]))} of
`{result}`; the last column is this version. It was chosen on validation; test decided nothing.

| metric | validation | test | this version, test |
|---|---|---|---|
{table}

{document["headline"]}

**Limits.**
{limits}
- Attention weights show where the model looked, which need not be why it decided: see
  `explanations/faithfulness.json` in the comparison run.

**Where from.** Fingerprint `{record.fingerprint}`, commit
`{record.tags.get("mlflow.source.git.commit", "unknown")}`.
"""


def _use(about: Mapping[str, Any]) -> str:
    classes, name = " from ".join(about["classes"]), about["dataset"]
    if about["kind"] == "text":
        return f"Tells {classes} in texts like those of `{name}`."
    window = f"windows of {about['time_steps']:,} steps of {', '.join(about['features'])}"
    if classes:
        return f"Tells {classes} in {window}."
    when = f", {about['horizon']:,} steps after the last of them" if "horizon" in about else ""
    return f"Predicts `{about['target']}`, in its own unit, from {window}{when}."


_READS = {
    "head": "It reads the first {} tokens of a text and nothing after.",
    "tail": "It reads the last {} tokens of a text and nothing before.",
    "both": "Of a text longer than {} tokens it reads half as many from its beginning, half from "
    "its end, and nothing between.",
}


def _limits(about: Mapping[str, Any]) -> list[str]:
    if about["kind"] == "text":
        limits = [
            _READS[about.get("keep", "head")].format(about["max_len"]),
            "Texts of another language, kind or time than its data's were not tested.",
        ]
    else:
        limits = ["Series of another source or time than its data's were not tested."]
    if about["classes"]:
        said = "The probability is calibrated on validation rows of the same data, and holds for"
        return [*limits, f"{said} such data."]
    scale = "The errors above are on the scale of the encoded targets, by default standard"
    return [*limits, "A value has no interval.", f"{scale} deviations of the target in train."]


def _spread(metric: Mapping[str, float | None]) -> str:
    if metric["mean"] is None:
        return "undefined"
    return f"{metric['mean']:.4f}" + ("" if metric["sd"] is None else f" ± {metric['sd']:.4f}")
