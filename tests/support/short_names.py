"""What the tests call a run of MLflow."""


def short_name(run):
    """`bilstm`, `bilstm-1`, `comparison`: its name in the UI begins with the DVC experiment's."""
    tags = run.data.tags
    return "-".join(tags[key] for key in ("model", "seed") if key in tags) or tags["kind"]
