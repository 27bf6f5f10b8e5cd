"""The description of a registered model, in Markdown, and as the Hugging Face Hub reads it."""

import io
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from pipeline.evaluation.wording import mean_and_sd
from pipeline.explanation import trust
from pipeline.tracking.provenance import DataVersion
from pipeline.tracking.records import Record


def model_card(
    record: Record,
    document: Mapping[str, Any],
    data: DataVersion,
    about: Mapping[str, Any],
    trusted: Mapping[str, Any] | None = None,
) -> str:
    """The model card, in Markdown.

    Args:
        record: the model's run.
        document: `comparison.json`.
        data: what it was trained on.
        about: `encoding.json` of that data.
        trusted: the model's trust card, if its weights were tested.
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

**Intended use.** {_use(about)} It returns its attention weights on request. Not meant for
decisions about people.

**Data.** `{data.name}`, version `{data.digest}`: {rows} rows. Source: `{data.source}`.

**Metrics.** Mean ± standard deviation over the seeds {", ".join(map(str, described["seeds"]))} of
`{result}`; the last column is this version, which was chosen on validation, not on test.

| metric | validation | test | this version, test |
|---|---|---|---|
{table}

{document["headline"]}

**Limits.**
{limits}
- Attention weights show where the model looked, which need not be why it decided: see
  `explanations/trust.md` in the comparison run.{_trust(trusted)}

**Provenance.** Fingerprint `{record.fingerprint}`, commit
`{record.tags.get("mlflow.source.git.commit", "unknown")}`.
"""


def hub_card(
    record: Record,
    document: Mapping[str, Any],
    data: DataVersion,
    about: Mapping[str, Any],
    trusted: Mapping[str, Any] | None = None,
) -> str:
    """The model card behind the YAML head of the Hub's `README.md`; see `model_card`.

    The head names no license and no language: whoever publishes the model knows those of the data.
    """
    source = json.loads(data.source)
    public = source["path"] if source.get("kind") == "hub" else None
    kind = _task(about)
    metrics = {name: record.metrics.get(f"test/{name}") for name in _test(record, document)}
    result = {
        "task": {"type": kind},
        "dataset": {
            "name": data.name,
            "type": public or data.name,
            "split": "test",
            "revision": source.get("revision") or data.digest,
        },
        "metrics": [
            {"type": name, "value": round(value, 6)}
            for name, value in metrics.items()
            if value is not None
        ],
    }
    head = {
        "library_name": "keras",
        "pipeline_tag": kind,
        "tags": ["bi-lstm", "attention", "mlflow"],
        **({"datasets": [public]} if public else {}),
        "metrics": list(metrics),
        "model-index": [{"name": f"{record.name} on {data.name}", "results": [result]}],
    }
    text = io.StringIO()
    YAML().dump(head, text)
    return f"---\n{text.getvalue()}---\n\n{model_card(record, document, data, about, trusted)}"


def _test(record: Record, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test metrics of the record's model."""
    found: Mapping[str, Any] = document["models"][record.params["model"]]["test"]
    return found


def _task(about: Mapping[str, Any]) -> str:
    """The Hub's name of the task."""
    if about["kind"] == "text":
        return "text-classification"
    if about["classes"]:
        return "tabular-classification"
    return "time-series-forecasting" if "horizon" in about else "tabular-regression"


def _use(about: Mapping[str, Any]) -> str:
    classes, name = ", ".join(about["classes"]), about["dataset"]
    if about["kind"] == "text":
        return f"Classifies texts like those of `{name}` as {classes}."
    features = about["features"]
    listed = ", ".join(features[:_SHOWN])
    if len(features) > _SHOWN:
        listed += f", … ({len(features):,} features)"
    window = f"windows of {about['time_steps']:,} steps of {listed}"
    if classes:
        return f"Classifies {window} as {classes}."
    when = f", {about['horizon']:,} steps after the window" if "horizon" in about else ""
    return f"Predicts `{about['target']}` in its own unit from {window}{when}."


def _trust(card: Mapping[str, Any] | None) -> str:
    """The verdicts on the weights, as more items of the list."""
    return "".join(f"\n- {said}" for said in trust.verdicts(card)) if card else ""


_SHOWN = 8  # features
_READS = {
    "head": "It reads only the first {} tokens of a text.",
    "tail": "It reads only the last {} tokens of a text.",
    "both": "It reads at most {} tokens of a text: half from its beginning, half from its end.",
}


def _limits(about: Mapping[str, Any]) -> list[str]:
    if about["kind"] == "text":
        limits = [
            _READS[about.get("keep", "head")].format(about["max_len"]),
            "It was not tested on texts of another language, kind or time.",
        ]
    else:
        limits = ["It was not tested on series of another source or time."]
    if about["classes"]:
        return [
            *limits,
            "Probabilities are calibrated on validation rows, and only hold for similar data.",
        ]
    return [
        *limits,
        "A prediction has no interval.",
        "The errors above are in units of the encoded target, by default its standard deviation.",
    ]


def _spread(metric: Mapping[str, float | None]) -> str:
    return mean_and_sd(metric["mean"], metric["sd"], "{:.4f}".format, undefined="undefined")
