import numpy as np
import pytest

from pipeline.baselines.ridge import MOST_NUMBERS, fit_ridge
from pipeline.core.sequences import Sequences


def windows(values, targets):
    """Sequences of <float>[n, steps, features] and <float>[n]."""
    count, steps, features = values.shape
    return Sequences(
        rows=np.arange(count),
        targets=np.asarray(targets, np.float32),
        starts=np.arange(count + 1) * steps,
        values=values.reshape(-1, features).astype(np.float32),
    )


def linear(count, *, steps=5, features=2, noise=0.0, seed=0):
    """Windows whose target is a linear function of all their numbers, plus 3 and noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, steps, features))
    true = np.random.default_rng(9).normal(size=steps * features)
    return windows(values, values.reshape(count, -1) @ true + 3 + noise * rng.normal(size=count))


def test_it_recovers_a_linear_function():
    """Without noise, the smallest penalty is chosen, and the forecast is the target."""
    fitted = fit_ridge(linear(200), linear(50, seed=1), linear(50, seed=2))
    assert fitted.penalty == min(fitted.validation_loss)
    test = fitted.predictions["test"]
    np.testing.assert_allclose(test.outputs, test.targets, atol=1e-3)
    assert test.outputs.dtype == np.float32
    assert (fitted.steps, fitted.parameters) == (5, 11)


def test_its_coefficients_solve_the_normal_equations():
    """The forecasts are those of scikit-learn's ridge, whose penalty is for all rows together."""
    from sklearn.linear_model import Ridge

    train, validation = linear(60, noise=2.0), linear(60, noise=2.0, seed=1)
    fitted = fit_ridge(train, validation, validation)
    flat = [rows.values.reshape(len(rows), -1) for rows in (train, validation)]
    reference = Ridge(alpha=fitted.penalty * len(train)).fit(flat[0], train.targets)
    np.testing.assert_allclose(
        fitted.predictions["validation"].outputs, reference.predict(flat[1]), rtol=1e-4, atol=1e-4
    )


def test_noise_is_answered_with_a_larger_penalty():
    """Chosen on validation: where windows tell nothing, the mean is the best forecast."""
    rng = np.random.default_rng(0)
    train, validation = (
        windows(rng.normal(size=(80, 20, 2)), rng.normal(size=80)) for _ in range(2)
    )
    fitted = fit_ridge(train, validation, validation)
    assert fitted.penalty == max(fitted.validation_loss)


def test_wide_windows_are_read_from_their_end():
    """At most 2,000 numbers; a single step that has more, or unequal lengths: no forecast."""
    wide = linear(8, steps=3, features=900)
    fitted = fit_ridge(wide, wide, wide)
    assert fitted.steps == 2
    assert fitted.parameters == 1801
    too_wide = linear(3, steps=1, features=MOST_NUMBERS + 1)
    assert fit_ridge(too_wide, too_wide, too_wide) is None
    assert fit_ridge(linear(9, steps=3), linear(9, steps=4), linear(9, steps=4)) is None


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_constant_column_changes_nothing(scale):
    """Nor does a column that repeats another: the penalty keeps the equations solvable."""
    base = linear(100, noise=0.1)
    values = base.values.reshape(100, 5, 2)
    wide = windows(np.concatenate([values, np.full((100, 5, 1), scale)], axis=2), base.targets)
    plain, padded = (fit_ridge(rows, rows, rows).predictions["test"] for rows in (base, wide))
    np.testing.assert_allclose(padded.outputs, plain.outputs, atol=1e-3)
