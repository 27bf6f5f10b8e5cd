"""`corpus@LENGTH` of the length study: the demo corpus → studies/length/data/encoded/LENGTH."""

from pipeline import artifacts, progress
from pipeline.artifacts import Workspace
from pipeline.length_study import corpus, settings


def run(workspace: Workspace, length: str) -> None:
    """Write the reviews of one length, as tokens."""
    study = workspace.length_study
    wanted = settings.load(study.params).corpus
    reviews = corpus.generate(wanted, length)
    encoded, about = corpus.encode(reviews, length=length, vocabulary=wanted.vocabulary)
    with artifacts.new_folder(study.encoded / length) as folder:
        for name, sequences in encoded.items():
            artifacts.write_sequences(folder / f"{name}.parquet", sequences)
        artifacts.write_json(folder / "encoding.json", about)
    rows = ", ".join(f"{name} {len(sequences):,}" for name, sequences in encoded.items())
    progress.say(f"{length} words: {rows}")
