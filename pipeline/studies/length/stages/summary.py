"""`summary` of the length study: every run's predictions → summary, table and figure."""

import itertools

from pipeline import progress
from pipeline.core.files import (
    read_csv,
    read_json,
    remove_unlisted,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.evaluation.results import read_result
from pipeline.evaluation.tables import to_csv
from pipeline.studies.length import figure, learning_figure, settings, summary
from pipeline.studies.length.settings import POSITIONS, test_name
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that the study's parameters list."""
    study = workspace.length_study
    wanted = settings.load_study(study.params)
    folders = {
        (length, model): [study.model(f"{length}-{model}", seed) for seed in wanted.seeds]
        for length, models in wanted.trained.items()
        for model in models
    }
    results = {
        (length, position): [
            read_result(model, wanted.seeds, folders[length, model], test=test_name(position))
            for model in models
        ]
        for length, models in wanted.trained.items()
        for position in POSITIONS
    }
    histories = {
        trained: [read_csv(folder / "history.csv") for folder in of_seeds]
        for trained, of_seeds in folders.items()
    }
    flow = {
        model: read_json(study.results / "flow" / f"{model}.json") for model in wanted.flow.models
    }
    document = summary.summary_document(results, histories, flow, wanted)
    write_json(study.summary, document)
    write_text(study.results / "accuracy.csv", to_csv(summary.accuracy_table(document)))
    write_bytes(study.results / "accuracy_by_length.png", figure.draw(document))
    write_bytes(study.results / "learning.png", learning_figure.draw(document))
    remove_unlisted(study.models, list(itertools.chain(*folders.values())))
    progress.say(document["answer"])
