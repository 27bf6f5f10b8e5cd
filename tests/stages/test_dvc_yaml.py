import pytest
from ruamel.yaml import YAML

from pipeline.commands import stages
from pipeline.evaluation.tables import CHARTED
from tests.support.dependencies import unlisted_and_unused
from tests.support.paths import PROJECT

FILE = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())
PIPELINE = FILE["stages"]
# `track` is cheap and decides nothing: it runs whenever a result changes.
STAGES = [name for name in stages.STAGES if name != "track"]
PARAMS = YAML(typ="safe").load((PROJECT / "params.yaml").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_module_that_can_change_its_output(stage):
    """The `deps`, files or folders, cover the imports, and each of them covers one."""
    listed = [dep for dep in PIPELINE[stage]["deps"] if dep.startswith("pipeline/")]
    assert unlisted_and_unused(f"pipeline.stages.{stage}", listed) == (set(), set())


def test_every_stage_of_the_command_line_is_in_the_pipeline():
    """And the pipeline has no stage that the command line lacks."""
    assert set(PIPELINE) == set(stages.STAGES)
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
