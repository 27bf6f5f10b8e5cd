"""The MLflow store: created once, and corrected after the project was moved."""

import contextlib
import fcntl
import json
import logging
import os
import re
import sqlite3
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from pipeline import progress
from pipeline.core.files import doing, temporary_folder
from pipeline.errors import TrackingError

_MODEL_TRAINING = "workflowType=machine_learning"  # else the UI hides the model registry

_PATIENCE = 60  # seconds to wait for another program that has locked the project's database

_RUN_NAME = "attributes.`Run Name`"  # a column that is always there, if too narrow by default

# Table and column of every absolute artifact path that MLflow stores.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True)
class Store:
    """An MLflow store.

    Attributes:
        uri: the tracking URI.
        artifacts: the folder of the artifacts; None if a server decides.
        database: the project's own SQLite file; None if the URI was given.
    """

    uri: str
    artifacts: Path | None
    database: Path | None

    def __str__(self) -> str:
        """The URI without a password."""
        return re.sub(r"//[^/@]*@", "//", self.uri)


def locate(home: Path) -> Store:
    """The store of the project in `home`, or the one that MLFLOW_TRACKING_URI names."""
    database, artifacts = home / "mlflow.db", home / "mlartifacts"
    own = _address(database)
    given = os.environ.get("MLFLOW_TRACKING_URI", own)
    if given in {own, ""}:
        return Store(own, artifacts, database)
    return Store(given, artifacts if _is_database(given) else None, None)


def connect(store: Store) -> mlflow.MlflowClient:
    """A client of the store, which is created if need be, and answers.

    Raises:
        TrackingError: it can't be reached or used.
    """
    # MLflow logs every step and urllib3 every retry: the one error at the end is enough.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    with readable_errors(store):
        if store.database is not None and store.artifacts is not None:
            if not store.database.exists():
                create_database(store.database, store.artifacts)
            _correct_paths(store.database, store.artifacts)
        elif _is_database(store.uri):
            # MLflow itself would keep trying for minutes.
            sqlalchemy.create_engine(store.uri).connect().close()
        client = mlflow.MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Wait until no other process of this project records runs: two would undo each other's work.

    The system ends the lock with its process, also when that is killed.
    """
    path = home / ".spotlight" / "mlflow.lock"
    path.parent.mkdir(exist_ok=True)
    with doing(f"locking {path}"), path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("Another process records this project's runs in MLflow: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def show(
    client: mlflow.MlflowClient, experiment_id: str, columns: Sequence[str], *, group: str
) -> dict[str, str]:
    """Add two views of an experiment to MLflow's UI; returns their addresses below the UI's.

    They are made like the UI's own "Share" makes them; users' own views are left alone.

    Args:
        client: of the store.
        experiment_id: which experiment.
        columns: of the table of runs, such as "metrics.`test/accuracy`".
        group: runs that share this parameter are drawn as one curve.
    """
    table = {
        "selectedColumns": list(columns),
        "columnOrder": [_RUN_NAME, *columns],
        "columnWidths": {_RUN_NAME: 330, **dict.fromkeys(columns, 160)},
    }
    grouped = {"groupByKeys": [{"mode": "param", "groupByData": group}]}
    views = {
        "table": table,
        "charts": {**table, "groupBy": {"aggregateFunction": "average", **grouped}},
    }
    known = client.get_experiment(experiment_id).tags
    for name, view in views.items():
        key, value = f"mlflow.sharedViewState.{name}", json.dumps(view)
        if known.get(key) != value:
            client.set_experiment_tag(experiment_id, key, value)
    page = f"#/experiments/{experiment_id}/runs?{_MODEL_TRAINING}&viewStateShareKey="
    return {"charts": f"{page}charts&compareRunsMode=CHART", "table": f"{page}table"}


def experiment(client: mlflow.MlflowClient, store: Store, name: str) -> str:
    """The id of the experiment `name`, which is created or restored if need be."""
    place = None if store.artifacts is None else (store.artifacts / name).as_uri()
    # The kind decides which columns and tabs MLflow's UI offers.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    while (found := client.get_experiment_by_name(name)) is None:
        with made_meanwhile():
            client.create_experiment(name, artifact_location=place, tags=tags)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@contextlib.contextmanager
def made_meanwhile() -> Iterator[None]:
    """Accept that another clone makes the same at this moment."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextlib.contextmanager
def readable_errors(store: Store) -> Iterator[None]:
    """Turn what MLflow raises when its store fails into a TrackingError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        told = reason(error)
        raise TrackingError(
            f"MLflow at {store} could not be used: {told}", fix=_remedy(store, told)
        ) from error


_FILL = "`python -m pipeline track` completes MLflow from the files."


def _remedy(store: Store, told: str) -> str:
    """What to do about what the store said."""
    if re.search(r"\b40[13]\b", told):
        return (
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those of one of the "
            f"server's users. No result is lost: {_FILL}"
        )
    if store.database is None:
        return (
            f"correct or unset MLFLOW_TRACKING_URI, or start the server. No result is lost: {_FILL}"
        )
    name = store.database.name
    if "locked" in told:
        return f"close the program that uses {name}. No result is lost: then {_FILL}"
    return (
        f"if {name} is damaged, move it away: mv {name} {name}.damaged; rm -f {name}-*. Then "
        f"{_FILL} Runs of earlier results are in {name}.damaged alone."
    )


def reason(error: BaseException) -> str:
    """The cause at the bottom of a chain of exceptions, in one line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    cause = lines[0].strip().rstrip(".") if lines else type(error).__name__
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            cause = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return cause if len(cause) <= 200 else f"{cause[:199]}…"


def create_database(database: Path, artifacts: Path) -> None:
    """Create the database completely or not at all: its first migration takes seconds.

    Processes that start at once each create their own, and the first to finish wins.
    """
    with temporary_folder(database) as folder:  # fails at once where MLflow would keep trying
        temporary = folder / database.name
        mlflow.MlflowClient(tracking_uri=_address(temporary)).search_experiments(max_results=1)
        with contextlib.closing(sqlite3.connect(temporary)) as connection, connection:
            # MLflow puts its default experiment below the current folder.
            place = (artifacts / "Default").as_uri()
            connection.execute("UPDATE experiments SET artifact_location = ?", (place,))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, database)


def _correct_paths(database: Path, artifacts: Path) -> None:
    """Point every stored artifact path to this project's folder, wherever it was before."""
    now = artifacts.as_uri()
    with contextlib.closing(sqlite3.connect(database, timeout=_PATIENCE)) as connection, connection:
        places = connection.execute("SELECT artifact_location FROM experiments")
        roots = {place.rpartition("/")[0] for (place,) in places if place}
        moved = {root for root in roots if root != now and root.endswith(f"/{artifacts.name}")}
        for before in moved:
            for table, column in _PLACES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, len(before) + 1, f"{before}/"),
                )


def _address(database: Path) -> str:
    """The URI of an SQLite file, whose reader decodes `%41` and ends the path at `?`.

    Nothing else is escaped: MLflow makes the folder of the path as it stands in the URI.
    """
    escaped = re.sub("[%?#]", lambda found: urllib.parse.quote(found[0]), str(database))
    return f"sqlite:///{escaped}"


def _is_database(uri: str) -> bool:
    return urllib.parse.urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES
