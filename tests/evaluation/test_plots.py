import struct

import matplotlib as mpl
import pytest

from pipeline.evaluation import plots
from pipeline.evaluation.figure_style import COLORS, ModelStyles
from pipeline.evaluation.plots import plot_images, run_images
from pipeline.evaluation.tables import run_tables
from tests.support.model_results import histories, regressor, result, tables

MANY = ("tfidf", "bilstm", "bilstm_mean", "bilstm_max", "bilstm_dot", "bilstm_wide", "attention")


def chunks(png):
    """The names of a PNG's chunks, of which text and time have their own."""
    names, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        names.append(png[place + 4 : place + 8].decode())
        place += 12 + length
    return names


@pytest.fixture(scope="module")
def binary():
    """A comparison of two models and a baseline, with its tables and images."""
    comparison, made = tables([result("tfidf", 0.7, seeds=()), result("a", 0.8), result("b", 0.9)])
    return comparison, made, plot_images(made, comparison)


def test_every_table_has_its_image(binary):
    """By the same name, as a PNG."""
    _, made, images = binary
    assert set(images) == set(made)
    assert all(image.startswith(b"\x89PNG") for image in images.values())


def test_images_are_the_same_bytes_whatever_the_users_settings(binary):
    """Neither another call nor a matplotlibrc changes them, and the settings come back."""
    comparison, made, images = binary
    some = {name: made[name] for name in ("roc", "confusion")}
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": False}):
        again = plot_images(some, comparison)
        assert mpl.rcParams["font.size"] == 20
    assert again == {name: images[name] for name in some}


def test_images_hold_no_date_and_no_version(binary):
    """Nothing but the picture and its resolution."""
    for image in binary[2].values():
        assert set(chunks(image)) <= {"IHDR", "pHYs", "IDAT", "IEND"}


def test_a_regression_is_drawn():
    """Predicted against actual values, and errors."""
    comparison, made = tables(
        [regressor("naive", 0.5, seeds=()), regressor("m", 0.2)], "regression", ()
    )
    assert set(plot_images(made, comparison)) == set(made)


def test_class_names_in_any_script_are_drawn():
    """The font lacks Chinese and emoji: such a class is named by its number, without a warning."""
    comparison, made = tables([result("m", 0.8, classes=3)], "multiclass", ("好", "🙂", "gut"))
    drawn = {name: made[name] for name in ("confusion", "roc")}
    assert len(plot_images(drawn, comparison)) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("$", "$$", "$$$"),
        ("$\\undefined$", "a_{1}^2", "\\frac"),
        ("a name of eighty letters " * 4, "a name of forty letters " * 2, "short"),
    ],
)
def test_class_names_are_shown_as_they_are(names):
    """No name is a formula, which would be drawn in another way or fail; long ones are cut."""
    comparison, made = tables([result("m", 0.8, classes=3)], "multiclass", names)
    drawn = {name: made[name] for name in ("confusion", "roc")}
    assert len(plot_images(drawn, comparison)) == 2


def test_long_class_names_stay_apart():
    """Both ends are shown; where these are alike, the class's number."""
    names = ["short", "a" * 60 + " first", "a" * 60 + " second", "b" * 30 + "c", "b" * 31 + "c"]
    shown = plots.short_class_names(names)
    assert shown[0] == "short"
    assert (shown[1][-6:], shown[2][-7:]) == (" first", " second")
    assert shown[3:] == ["class 3", "class 4"]
    assert max(map(len, shown)) <= 24


def test_many_models_and_classes_find_room():
    """Nine models start the styles over; of ten classes the matrix shows no numbers."""
    results = [result(f"model_{number}", 0.8, classes=10) for number in range(9)]
    comparison, made = tables(results, "multiclass", [f"class {number}" for number in range(10)])
    drawn = {name: made[name] for name in ("confusion", "differences")}
    assert len(plot_images(drawn, comparison)) == 2


def test_few_rows_are_drawn():
    """Ten rows leave no reliability bin of ten; it is drawn nevertheless."""
    comparison, made = tables([result("m", 0.8, rows=10)])
    assert set(plot_images(made, comparison)) == set(made)


def test_each_model_has_a_style_of_its_own():
    """By color, dash and marker alike."""
    styles = ModelStyles(MANY)
    drawn = [styles.marked(model) for model in MANY]
    for key in ("color", "linestyle", "marker"):
        assert len({style[key] for style in drawn}) == len(MANY)
    assert styles.line("tfidf")["color"] == COLORS[0]


def test_a_run_by_itself_speaks_of_no_other():
    """Its images are those of a comparison of that one run, but for the model's own style."""
    results = [result("tfidf", 0.7, seeds=()), result("a", 0.8)]
    comparison, _ = tables(results)
    (_, second, _) = results[1].split_by_seed()
    assert (second.seeds, len(second.test)) == ((2,), 1)
    assert second.test[0] is results[1].test[1]
    history = histories([second])["a", 2]
    made = run_tables(second, history, task="binary", classes=("neg", "pos"))
    images = run_images(made, second, comparison)
    assert set(images) == {"learning_curves", "roc", "confusion"}

    alone, _ = tables([results[0].split_by_seed()[0], second])
    assert images == plot_images(made, alone)


def test_a_baseline_by_itself_has_no_learning_curve():
    """It was not trained in epochs."""
    (run,) = regressor("naive", 0.5, seeds=()).split_by_seed()
    assert set(run_tables(run, None, task="regression", classes=())) == {"predicted", "errors"}
