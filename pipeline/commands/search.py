"""`search`: search for a dataset's training recipe, by validation loss."""

from pipeline.commands import Subparsers, add_jobs
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "search for a training recipe, by validation loss"
    parser = commands.add_parser("search", description=about)
    parser.add_argument(
        "--study",
        default="recipe",
        metavar="NAME",
        help="the search that studies/NAME/params.yaml describes (recipe)",
    )
    parser.add_argument(
        "--trials", type=int, metavar="N", help="stop after N trials, finished ones included"
    )
    add_jobs(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that keeps the trials (postgresql://…): the same command on several "
        "machines shares them",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let nodes of a Ray cluster run the trials; needs --storage, and a DVC remote",
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="how many nodes at once (2)"
    )
    parser.set_defaults(run=run)


def run(
    workspace: Workspace,
    study: str,
    trials: int | None,
    *,
    jobs: int,
    storage: str | None,
    cluster: str | None,
    workers: int,
) -> None:
    """Continue the search until it has that many trials."""
    part = Workspace(workspace.root, f"studies/{study}")
    if not part.params.exists():
        raise ParamsError(
            f"--study {study}: there is no {part.part}/params.yaml.",
            fix="copy studies/recipe/params.yaml there and edit it, or leave --study out.",
        )
    if storage is None and jobs > 1 and not cluster:
        part.scratch.mkdir(parents=True, exist_ok=True)
        storage = f"sqlite:///{part.scratch / 'trials.db'}"
    command = ["search", "--study", study, *([] if storage is None else ["--storage", storage])]
    command += [] if trials is None else ["--trials", str(trials)]
    if cluster:
        _on_cluster(workspace, command, storage, cluster, workers)
    with quiet_imports():
        from pipeline.studies.recipe.trials import open_search, search_recipe

    if jobs > 1 and not cluster:
        from pipeline.cells import run_side_by_side

        settings, *_ = open_search(workspace, part, trials, storage)
        run_side_by_side(
            {f"worker {number}": ["pipeline", *command] for number in range(1, jobs + 1)},
            folder=workspace.root,
            jobs=jobs,
            threads=settings.threads,
            logs=part.scratch / "jobs",
        )
    search_recipe(workspace, part, trials, storage)


def _on_cluster(
    workspace: Workspace, command: list[str], storage: str | None, cluster: str, workers: int
) -> None:
    if storage is None:
        raise ParamsError(
            "--cluster needs --storage, the database that the nodes share.",
            fix="add --storage postgresql://USER:PASSWORD@HOST/NAME",
        )
    if workers < 1:
        raise ParamsError(f"--workers is {workers}.", fix="ask for at least one.")
    from pipeline.cluster import search_on_cluster
    from pipeline.core.params import load_params

    search_on_cluster(
        workspace.root,
        command[1:],
        address=cluster,
        workers=workers,
        threads=load_params(workspace.params).threads,
    )
