"""Cells of a study, in the test's own process."""

from pipeline.__main__ import main


def in_this_process(monkeypatch, module="pipeline.studies.cells"):
    """Let a module's `run_side_by_side` run each command here; returns their arguments, as run."""
    ran = []

    def here(commands, *, folder, jobs, threads, logs):
        assert jobs > 1
        assert threads
        assert logs.is_relative_to(folder)
        monkeypatch.chdir(folder)
        for package, *arguments in commands.values():
            assert package == "pipeline"
            assert main(arguments) == 0
            ran.append(arguments)

    monkeypatch.setattr(f"{module}.run_side_by_side", here)
    return ran
