import math

import pytest

from pipeline.errors import ParamsError
from pipeline.training.loop import TrainingResult
from pipeline.training.run import TrainingRun
from tests.support import strategies


def test_a_training_that_diverged_is_refused_before_anything_is_written(tmp_path):
    """Weights that are no numbers would end later stages without a word on why."""
    run = TrainingRun(
        model="bilstm",
        seed=3,
        recipe=strategies.recipe(),
        about={},
        data=tmp_path,
        pretrained=None,
        threads=1,
        configuration="",
        fingerprint="",
    )
    result = TrainingResult(history=[{"val_loss": math.nan}], best_epoch=1, seconds=[0.0])
    with pytest.raises(ParamsError, match="bilstm with seed 3 diverged") as refused:
        run.write_model(tmp_path, None, result, {})
    assert "lower `learning_rate`" in refused.value.fix
    assert not list(tmp_path.iterdir())
