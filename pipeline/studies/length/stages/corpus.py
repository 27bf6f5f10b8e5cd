"""`corpus@LENGTH` of the length study: the demo corpus → studies/length/data/encoded/LENGTH."""

from pipeline import progress
from pipeline.core.files import sealed_folder, write_json
from pipeline.core.sequences import write_sequences
from pipeline.studies.length import corpus, settings
from pipeline.workspace import Workspace


def run(workspace: Workspace, length: str) -> None:
    """Write the reviews of one length, as tokens."""
    study = workspace.length_study
    wanted = settings.load_study(study.params).corpus
    reviews = corpus.generate(wanted, length)
    encoded, about = corpus.encode(reviews, length=length, vocabulary=wanted.vocabulary)
    with sealed_folder(study.encoded / length, stage=f"corpus@{length}") as folder:
        for name, sequences in encoded.items():
            write_sequences(folder / f"{name}.parquet", sequences)
        write_json(folder / "encoding.json", about)
    rows = ", ".join(f"{name} {len(sequences):,}" for name, sequences in encoded.items())
    progress.say(f"{length} words: {rows}")
