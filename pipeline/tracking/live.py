"""Epochs in MLflow while a model trains. Never raises, and never delays training."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from pipeline import progress
from pipeline.core.params import Params
from pipeline.errors import TrackingError
from pipeline.workspace import Workspace

_END = None


class EpochLogger:
    """Logs a run's epochs to MLflow from its own thread.

    The first failure ends it with one message: `track` completes the run from the files later.
    MLflow's import and a slow server cost training no time. A training of a few seconds, which is
    over before anyone could look, is left to `track` altogether.

        with EpochLogger(workspace, settings, model="bilstm", seed=1, fingerprint=…) as logger:
            logger.epoch(1, {"loss": 0.61, "val_loss": 0.55})

    Args:
        workspace: the project's files.
        settings: the dataset, the model's recipe and the threads are logged.
        model: the model's name.
        seed: its seed.
        fingerprint: the run's identity.
        delay: seconds that training must last before MLflow is imported.
        patience: seconds to wait, after training, for MLflow to take the remaining epochs.
        say: prints a line.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: Params,
        *,
        model: str,
        seed: int,
        fingerprint: str,
        delay: float = 5.0,
        patience: float = 10.0,
        say: Callable[[str], None] = progress.say,
    ) -> None:
        self._workspace, self._say = workspace, say
        self._delay, self._patience = delay, patience
        self._dataset = settings.dataset
        self._card = {
            "dataset": settings.dataset,
            "model": model,
            "seed": seed,
            "recipe": settings.recipe(model).model_dump(),
            "threads": settings.threads,
            "fingerprint": fingerprint,
        }
        self._epochs: queue.SimpleQueue[tuple[int, dict[str, float], int] | None]
        self._epochs = queue.SimpleQueue()
        self._ended = threading.Event()
        self._failure: str | None = None
        self._told = False
        self._status = "KILLED"
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> "EpochLogger":
        self._thread.start()
        return self

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """Queue the metrics of an epoch, counted from 1."""
        now = int(1000 * time.time())
        self._epochs.put((number, dict(metrics), now))
        self._tell()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._status = "FINISHED"
        self._epochs.put(_END)
        self._ended.set()
        self._thread.join(self._patience)
        if self._thread.is_alive() and self._failure is None:
            self._failure = "MLflow did not answer in time"
        self._tell()

    def _tell(self) -> None:
        """Report a failure once, from the thread that prints everything else."""
        if self._failure is not None and not self._told:
            self._told = True
            self._say(
                f"{self._failure}. Training continues without it; "
                "`python -m pipeline track` completes the run later."
            )

    def _work(self) -> None:
        if self._ended.wait(self._delay):
            return
        try:
            self._log()
        except TrackingError as error:
            self._failure = error.message
        except Exception as error:  # tracking never decides a result
            self._failure = f"MLflow could not be used: {type(error).__name__}: {error}"

    def _log(self) -> None:
        from mlflow.entities import Metric

        from pipeline.tracking import records, runs, store

        place = store.locate(self._workspace.home)
        with store.readable_errors(place):
            client = store.connect(place)
            experiment = store.experiment(client, place, self._dataset)
            record = records.head(self._workspace, self._card)
            run = runs.find(client, experiment, record.fingerprint) or runs.start(
                client, experiment, record, int(1000 * time.time())
            )
            identity = run.info.run_id
            known = {
                (key, metric.step)
                for key in run.data.metrics
                for metric in client.get_metric_history(identity, key)
            }
            while (epoch := self._epochs.get()) is not _END:
                number, values, now = epoch
                missing = [
                    Metric(key, value, now, number)
                    for key, value in records.of_epoch(values).items()
                    if (key, number) not in known
                ]
                client.log_batch(identity, metrics=missing)
            if run.info.status == "RUNNING":
                client.set_terminated(identity, self._status)
