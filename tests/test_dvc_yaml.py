from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import fingerprint
from pipeline.__main__ import STAGES
from pipeline.evaluation.curves import CHARTED

PROJECT = Path(__file__).parents[1]
FILE = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())
PIPELINE = FILE["stages"]
PARAMS = YAML(typ="safe").load((PROJECT / "params.yaml").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_module_that_can_change_its_output(stage):
    """The `deps` are the imports: no more, no less. A folder of templates stands for its files."""
    listed = {dep for dep in PIPELINE[stage]["deps"] if dep.startswith("pipeline/")}
    imported = {
        str((path.parent if path.parent.name == "templates" else path).relative_to(PROJECT))
        for path in fingerprint.modules(f"stages.{stage}")
    }
    assert listed == imported


def test_every_stage_of_the_command_line_is_in_the_pipeline():
    """And the pipeline has no stage that the command line lacks."""
    assert set(PIPELINE) == {*STAGES, "track"}
    for name, stage in PIPELINE.items():
        assert stage["cmd"].startswith(f"python -m pipeline {name}")
        assert stage["desc"]


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "report"])
def test_a_change_of_a_librarys_version_runs_a_stage_again(stage):
    """The lock file is a dependency; the report is made of text alone."""
    assert "locks/run.txt" in PIPELINE[stage]["deps"]


def test_every_parameter_of_the_file_is_some_stages():
    """Each top-level key is listed by a stage that reads it, `datasets` key by key."""
    used = {
        str(key).split(".")[0] for stage in PIPELINE.values() for key in stage.get("params", [])
    }
    assert used == set(PARAMS)
    for key in ("source", "encode", "training"):
        assert any(
            f"datasets.${{dataset}}.{key}" in stage.get("params", []) for stage in PIPELINE.values()
        )


def test_every_entry_of_datasets_has_the_same_keys_and_a_folder_of_its_own():
    """DVC refuses a missing key, and a missing dependency."""
    for name, entry in PARAMS["datasets"].items():
        assert set(entry) == {"source", "encode", "training"}, name
        assert (PROJECT / "data" / "own" / name / ".gitkeep").exists(), name


@pytest.mark.parametrize("stage", STAGES)
def test_bad_input_leaves_earlier_outputs_and_finished_runs_are_found_again(stage):
    """DVC deletes outputs before a stage runs unless they persist: where input can be bad, they do.

    An output that persists is not taken from DVC's run cache, so what costs minutes does not:
    going back to earlier parameters restores it.
    """
    outputs = [*PIPELINE[stage].get("outs", []), *PIPELINE[stage].get("metrics", [])]
    persist = [
        isinstance(out, dict) and any(o.get("persist") for o in out.values()) for out in outputs
    ]
    assert outputs
    assert persist == [stage in {"download", "encode"}] * len(outputs)


def test_every_chart_of_the_pipeline_has_a_template_and_a_table():
    """`evaluate` writes those tables whatever the task: DVC warns of a file that isn't there."""
    charts = [chart for plot in FILE["plots"] if isinstance(plot, dict) for chart in plot.values()]
    tables = {path for chart in charts for path in chart["y"]}
    assert tables == {f"results/plots/{name}.csv" for name in CHARTED}
    for chart in charts:
        assert (PROJECT / ".dvc" / "plots" / f"{chart['template']}.json").is_file()
