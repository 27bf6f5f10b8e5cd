"""`summary` of the length study: every run's predictions → summary, table and figure."""

import itertools

from pipeline import progress
from pipeline.core.files import remove_unlisted, write_bytes, write_json, write_text
from pipeline.evaluation.results import read_result
from pipeline.evaluation.tables import to_csv
from pipeline.studies.length import figure, settings, summary
from pipeline.studies.length.settings import POSITIONS, test_name
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that the study's parameters list."""
    study = workspace.length_study
    wanted = settings.load_study(study.params)
    folders = {
        (length, model): [study.model(f"{length}-{model}", seed) for seed in wanted.seeds]
        for length in wanted.lengths
        for model in wanted.models
    }
    results = {
        (length, position): [
            read_result(model, wanted.seeds, folders[length, model], test=test_name(position))
            for model in wanted.models
        ]
        for length in wanted.lengths
        for position in POSITIONS
    }
    document = summary.summary_document(results, wanted)
    write_json(study.summary, document)
    write_text(study.results / "accuracy.csv", to_csv(summary.accuracy_table(document)))
    write_bytes(study.results / "accuracy_by_length.png", figure.draw(document))
    remove_unlisted(study.models, list(itertools.chain(*folders.values())))
    progress.say(document["answer"])
