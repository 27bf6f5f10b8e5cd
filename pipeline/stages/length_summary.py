"""`summary` of the length study: every run's predictions → summary, table and figure."""

import itertools

from pipeline import artifacts, progress
from pipeline.artifacts import Workspace
from pipeline.evaluation.curves import to_csv
from pipeline.length_study import figure, settings, summary
from pipeline.length_study.settings import POSITIONS, test_name
from pipeline.stages.arms import prune, read_arm


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that the study's parameters list."""
    study = workspace.length_study
    wanted = settings.load(study.params)
    folders = {
        (length, model): [study.model(f"{length}-{model}", seed) for seed in wanted.seeds]
        for length in wanted.lengths
        for model in wanted.models
    }
    arms = {
        (length, position): [
            read_arm(model, wanted.seeds, folders[length, model], test=test_name(position))
            for model in wanted.models
        ]
        for length in wanted.lengths
        for position in POSITIONS
    }
    document = summary.summary_document(arms, wanted)
    artifacts.write_json(study.summary, document)
    artifacts.write_text(study.results / "accuracy.csv", to_csv(summary.accuracy_table(document)))
    artifacts.write_bytes(study.results / "accuracy_by_length.png", figure.draw(document))
    prune(study.models, list(itertools.chain(*folders.values())))
    progress.say(document["answer"])
