"""The champion: the best trained model by validation, behind a gate, in MLflow's registry."""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.core.files import read_json
from pipeline.core.params import Params
from pipeline.core.predictions import Predictions, Task, read_predictions
from pipeline.data.card import read_groups
from pipeline.evaluation.champion import validation_loss
from pipeline.evaluation.results import read_baseline_names, scores
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.evaluation.wording import signed_difference
from pipeline.explanation.verdict import LEVELS
from pipeline.tracking import runs, store
from pipeline.tracking.model_card import hub_card, model_card
from pipeline.tracking.provenance import DataVersion
from pipeline.tracking.records import Record, trust_cards
from pipeline.tracking.runs import Experiment
from pipeline.workspace import Workspace

CHAMPION, PREVIOUS = "champion", "previous"
_DATA, _SEEDS, _GATE = "data", "seeds", "gate"
_VALIDATION = "predictions/validation.parquet"


@dataclass(frozen=True)
class Verdict:
    """Whether a model may become the champion, and why."""

    passed: bool
    reason: str


def judge(
    candidate: Predictions,
    champion: Predictions | None,
    *,
    task: Task,
    loss: float,
    minimum: float,
    baselines: Mapping[str, Predictions] | None,
    bootstrap: Bootstrap,
    trusted: Verdict | None = None,
) -> Verdict:
    """Whether a model passes the gate, by validation rows alone.

    Args:
        candidate: the new model's predictions on validation.
        champion: the current champion's; None if there is none, or it saw other data. If they
            are of other rows, they are ignored too, and the entry condition alone decides.
        task: what is predicted.
        loss: the new model's on validation, by which it was chosen: the mean over its seeds.
        minimum: the accuracy that a classifier needs to enter.
        baselines: their predictions on validation; to enter, a model needs a smaller loss than
            each of them. None if that is not required.
        bootstrap: for the interval of the difference.
        trusted: whether its weights are trusted enough; None if that is not required.
    """
    conditions = [] if task == "regression" else [_reaches(candidate, minimum)]
    if trusted is not None:
        conditions.append(trusted)
    if baselines is not None:
        same = {name: one for name, one in baselines.items() if one.same_rows(candidate)}
        conditions.append(_beats(loss, same, task))
    failed = [condition for condition in conditions if not condition.passed]
    reasons = [condition.reason for condition in failed or conditions]
    entry = Verdict(not failed, " and ".join(reasons) or "nothing is required of it")
    if failed or champion is None or not champion.same_rows(candidate):
        return entry
    difference = paired_difference(scores([candidate], task), scores([champion], task), bootstrap)
    size, low, high = (
        signed_difference(end, regression=task == "regression")
        for end in (difference.estimate, difference.low, difference.high)
    )
    if task == "regression":
        better, measure = difference.high < 0, "validation MSE"
    else:
        better, measure = difference.low > 0, "points of validation accuracy"
    interval = (
        f"{size} {measure} against the current champion, {100 * bootstrap.confidence:g} % interval "
        f"{low} to {high}"
    )
    return Verdict(better, f"it is {'better' if better else 'not better'}: {interval}")


def _reaches(candidate: Predictions, minimum: float) -> Verdict:
    accuracy = float(np.mean(candidate.labels == candidate.targets))
    passed = accuracy >= minimum
    relation = "at least" if passed else "below"
    return Verdict(
        passed, f"its validation accuracy {accuracy:.1%} is {relation} the minimum of {minimum:.1%}"
    )


def _beats(loss: float, baselines: Mapping[str, Predictions], task: Task) -> Verdict:
    measure = "MSE" if task == "regression" else "log loss"
    losses = {name: validation_loss(one, task) for name, one in baselines.items()}
    if not losses:
        return Verdict(False, "there is no baseline of its validation rows to compare it with")
    best = min(losses, key=losses.__getitem__)
    relation, remedy = "below", ""
    if not (passed := loss < losses[best]):
        relation, remedy = "not below", " (required by registry.require_baseline in params.yaml)"
    return Verdict(
        passed,
        f"its mean validation {measure} {loss:.4g} is {relation} the best baseline's, "
        f"{best}: {losses[best]:.4g}{remedy}",
    )


def trusted(card: Mapping[str, Any] | None, required: str | None) -> Verdict | None:
    """Whether a model's weights reach the required level; None if that can't be asked of it.

    Args:
        card: its trust card; None if its weights were not tested.
        required: the level; None: none.
    """
    if required is None or (card is not None and card["average"] is None):
        return None
    remedy = " (required by registry.require_trust in params.yaml)"
    if card is None:
        return Verdict(False, f"its explanation was not tested{remedy}")
    level = card["average"]["level"]
    reached = level in LEVELS and LEVELS.index(level) >= LEVELS.index(required)
    return Verdict(reached, f"its weights: {level}{'' if reached else remedy}")


def promote(
    experiment: Experiment,
    workspace: Workspace,
    settings: Params,
    found: Sequence[Record],
    *,
    forced: bool = False,
) -> Verdict:
    """Register the comparison's champion if it passes the gate.

    Args:
        experiment: where the runs are.
        workspace: the project's files.
        settings: the gate and the bootstrap.
        found: the workspace's records.
        forced: skip the comparison with the current champion, at a user's request.

    Returns:
        Whether it is the champion now, and what was done and why; nothing is said where there is
        no such model.
    """
    nothing = Verdict(False, "")
    by_name = {record.name: record for record in found}
    if "comparison" not in by_name:
        return nothing
    document = read_json(workspace.comparison)
    chosen = document["champion"]
    record = by_name.get(f"{chosen['model']}-{chosen['seed']}")
    if record is None or record.servable is None:
        return nothing
    client, name = experiment.client, f"spotlight-{experiment.data.name}"
    run = runs.find(client, experiment.id, record.fingerprint)
    served = runs.identity(record, record.servable)
    model = None if run is None else runs.packed(experiment, run, served)
    if run is None or model is None:
        return nothing
    aliases = _aliases(client, name)
    found_versions = client.search_model_versions(f"name = '{name}'")
    versions = {str(version.version): version for version in found_versions}
    champion = versions.get(aliases.get(CHAMPION, ""))
    if champion is not None and champion.tags.get(runs.SERVED) == served:
        before = f"Champion: {name} version {champion.version}, {record.name}, as before."
        return Verdict(True, before)

    card = trust_cards(workspace).get(chosen["model"])
    loss = chosen["validation"]["mean"]  # None where it diverged
    seeds = len(document["models"][chosen["model"]]["seeds"])
    present = None if champion is None or forced else champion
    validation = read_predictions(record.files[_VALIDATION])
    groups = read_groups(workspace.raw, "validation")
    verdict = judge(
        validation,
        None if present is None else _validation(client, present, experiment.data),
        task=document["task"],
        loss=math.nan if loss is None else loss,
        minimum=settings.registry.minimum_validation_accuracy,
        baselines={
            name: read_predictions(workspace.reference(name) / "validation.parquet")
            for name in read_baseline_names(workspace)
        }
        if settings.registry.require_baseline
        else None,
        bootstrap=Bootstrap(
            confidence=settings.evaluate.confidence,
            resamples=settings.evaluate.resamples,
            seed=settings.evaluate.seed,
            block=document["method"]["block"],
            groups=None if groups is None else groups[validation.rows],
        ),
        trusted=trusted(card, settings.registry.require_trust),
    )
    if present is not None and seeds < int(present.tags.get(_SEEDS, 0)):
        fewer = f"it rests on {seeds} seed(s), the current champion on {present.tags[_SEEDS]}"
        verdict = Verdict(False, fewer)
    outcome = "passed" if verdict.passed else "refused"
    client.set_tag(run.info.run_id, _GATE, f"{outcome}: {verdict.reason}")
    if not verdict.passed:
        stays = "there is none yet" if champion is None else f"version {champion.version} stays"
        refused = f"Champion: {stays}. {record.name} was not registered: {verdict.reason}."
        return Verdict(False, refused)
    about = read_json(record.servable.encoded / "encoding.json")
    described = (record, document, experiment.data, about, card)
    known = (version for version in versions.values() if version.tags.get(runs.SERVED) == served)
    version = next(known, None) or _create_version(
        client,
        name,
        model,
        run,
        tags={
            runs.SERVED: served,
            runs.FINGERPRINT: record.fingerprint,
            _DATA: experiment.data.digest,
            _SEEDS: str(seeds),
            _GATE: verdict.reason,
        },
        card=model_card(*described),
        readme=hub_card(*described),
    )
    if champion is not None:
        client.set_registered_model_alias(name, PREVIOUS, champion.version)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    said = f"Champion: {name} version {version.version}, {record.name}: {verdict.reason}."
    return Verdict(True, said)


def _aliases(client: mlflow.MlflowClient, name: str) -> dict[str, str]:
    """Alias → version of a registered model, which is created if need be."""
    try:
        aliases = client.get_registered_model(name).aliases
        return {alias: str(version) for alias, version in aliases.items()}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    with store.made_meanwhile():
        client.create_registered_model(
            name,
            description="The best trained model by validation. `champion` is the current version, "
            "`previous` the one before; each version's page holds its model card.",
        )
    return {}


def _create_version(
    client: mlflow.MlflowClient,
    name: str,
    model: LoggedModel,
    run: Run,
    *,
    tags: dict[str, str],
    card: str,
    readme: str,
) -> ModelVersion:
    """Register a model; its folder gets `readme` as README.md, which the Hub shows."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "README.md"
        path.write_text(readme, encoding="utf-8")
        client.log_model_artifact(model.model_id, str(path))
    version = client.create_model_version(
        name,
        # Not models:/…, which MLflow would look up through its global address.
        source=model.artifact_location,
        run_id=run.info.run_id,
        model_id=model.model_id,
        tags=tags,
        description=card,
    )
    version = _first(client, version)
    # A server sets this itself: the run's page then links to the registered model.
    registered = [{"name": name, "version": version.version}]
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": json.dumps(registered)})
    return version


def _first(client: mlflow.MlflowClient, version: ModelVersion) -> ModelVersion:
    """The first version of the same model: another clone may have registered it meanwhile."""
    same = [
        other
        for other in client.search_model_versions(f"name = '{version.name}'")
        if other.tags.get(runs.SERVED) == version.tags[runs.SERVED]
    ]
    first = min(same, key=lambda other: int(other.version), default=version)
    if int(first.version) < int(version.version):
        client.delete_model_version(version.name, version.version)
        return first
    return version


def _validation(
    client: mlflow.MlflowClient, champion: ModelVersion, data: DataVersion
) -> Predictions | None:
    """The champion's predictions on validation; None if it saw other data than `data`."""
    if champion.tags.get(_DATA) != data.digest or champion.run_id is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        path = client.download_artifacts(champion.run_id, _VALIDATION, scratch)
        return read_predictions(Path(path))
