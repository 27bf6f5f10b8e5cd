"""`check`: params.yaml → a marker, without which nothing is trained."""

from pipeline.core.files import write_text
from pipeline.core.params import Params, TextEncode, load_params
from pipeline.errors import ParamsError
from pipeline.repository import keep_index_private
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Check params.yaml: DVC makes folders from its names and seeds, and removes old ones.

    The dataset gets its folder in `data/own`, on which `download` depends even if it stays empty.

    Raises:
        ParamsError: a key or a value is not allowed, or two of them don't fit together.
    """
    settings = load_params(workspace.params)
    _require_fitting(settings)
    (workspace.root / "data" / "own" / settings.dataset).mkdir(parents=True, exist_ok=True)
    keep_index_private(workspace.root)  # a bare `dvc repro` has just made it
    write_text(workspace.checked, "params.yaml is valid\n")


def _require_fitting(settings: Params) -> None:
    """Refuse recipes that can't start from what `pretrain` would learn, maybe for hours."""
    encode = settings.entry.encode
    if not isinstance(encode, TextEncode):
        return
    where = f"datasets.{settings.dataset}"
    for model in settings.models:
        recipe = settings.recipe(model)
        if encode.vectors and encode.vectors.size != recipe.embedding:
            raise ParamsError(
                f"params.yaml: the word vectors get {encode.vectors.size} features "
                f"(`{where}.encode.vectors.size`), but {model} has an embedding of "
                f"{recipe.embedding}.",
                fix=f"set `{where}.training.embedding: {encode.vectors.size}`, or the vectors' "
                f"`size: {recipe.embedding}`.",
            )
        units = encode.language_model and encode.language_model.units
        if units and (recipe.widened or units != recipe.units):
            raise ParamsError(
                f"params.yaml: the language model gets {units} units per direction "
                f"(`{where}.encode.language_model.units`), but {model} has "
                f"{'more, since it is widened' if recipe.widened else recipe.units}.",
                fix=f"remove {model} from `models`, or set `language_model: null`."
                if recipe.widened
                else f"set `{where}.training.units: {units}`, or the language model's "
                f"`units: {recipe.units}`.",
            )
