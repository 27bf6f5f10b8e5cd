import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.baselines import ngrams
from pipeline.baselines.linear import TFIDF_GRID, fit_naive_bayes, fit_tfidf, log_count_ratios
from pipeline.baselines.ngrams import Texts, count_ngrams, normalized, telling_ngrams, token_pattern
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.errors import DataError

GOOD = ("a wonderful film", "truly wonderful acting", "not bad at all", "I loved it")
BAD = ("a dreadful film", "truly dreadful acting", "bad at best", "I hated it")


def texts(*lists, copies=3, first=0):
    """A split with these texts of class 0, 1, …, each a few times with another number in it."""
    rows = [
        (f"{words} {copy}", label)
        for label, of_class in enumerate(lists)
        for copy in range(copies)
        for words in of_class
    ]
    strings, labels = zip(*rows, strict=True)
    return Texts(np.arange(len(rows)) + first, list(strings), np.array(labels))


def fit(*lists, classes=("neg", "pos"), class_weight="none", method=fit_tfidf, **changes):
    """A baseline fitted on these texts; it predicts the same ones."""
    splits = {name: texts(*lists) for name in ("train", "validation", "test")}
    return method(**(splits | changes), classes=classes, class_weight=class_weight)


def test_balanced_weights_let_a_rare_class_count_as_much():
    """Of texts that tell nothing, the shares decide: 1 in 10, or, balanced, an even chance."""
    many, unseen = [f"a film {number}" for number in range(9)], texts(["a film of all"])
    validation = texts(["a film of all"] * 9, ["a film of all"])
    for class_weight, expected in (("none", 0.1), ("balanced", 0.5)):
        fitted = fit(
            many, ["a film x"], test=unseen, validation=validation, class_weight=class_weight
        )
        assert fitted.predictions["test"].outputs[:, 1] == pytest.approx(expected, abs=0.12)


def test_it_learns_what_words_tell():
    """It is right on what a word gives away, and keeps rows, targets and probabilities apart."""
    fitted = fit(BAD, GOOD, test=texts(BAD, GOOD, first=100))
    assert (fitted.predictions["test"].labels == fitted.predictions["test"].targets).all()
    assert fitted.predictions["test"].rows[0] == 100
    assert fitted.predictions["test"].outputs.shape == (24, 2)
    assert fitted.predictions["test"].outputs.dtype == np.float32
    np.testing.assert_allclose(fitted.predictions["test"].outputs.sum(axis=1), 1, rtol=1e-6)
    assert "dreadful" in [word["ngram"] for word in fitted.words["neg"]]
    assert "wonderful" in [word["ngram"] for word in fitted.words["pos"]]


def test_pairs_of_words_are_features():
    """The pair "not bad" is good although "bad" is bad."""
    fitted = fit(["bad", "bad at best"], ["not bad", "not bad at best"])
    coefficients = {word["ngram"]: word["coefficient"] for word in fitted.words["pos"]}
    assert "not bad" in coefficients
    assert (fitted.predictions["test"].labels == fitted.predictions["test"].targets).all()


def test_it_is_deterministic():
    """The same texts give the same bytes."""
    one, other = fit(BAD, GOOD), fit(BAD, GOOD)
    assert one.predictions["test"].outputs.tobytes() == other.predictions["test"].outputs.tobytes()
    assert one.words == other.words


def test_regularisation_is_chosen_on_validation_alone():
    """The C of the least log loss; test texts and labels don't matter."""
    fitted = fit(BAD, GOOD)
    losses = fitted.validation_loss
    assert set(TFIDF_GRID) <= set(losses)
    assert fitted.inverse_regularization == min(losses, key=losses.__getitem__)
    turned = fit(BAD, GOOD, test=texts(GOOD, BAD))
    assert turned.inverse_regularization == fitted.inverse_regularization
    assert turned.words == fitted.words
    np.testing.assert_array_equal(
        turned.predictions["validation"].outputs, fitted.predictions["validation"].outputs
    )


def test_predictions_are_those_of_the_chosen_regularisation():
    """Test rows are judged by the model that validation chose, not by the last one fitted."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(30)]

    def split(rows):
        labels = np.arange(rows) % 2
        lines = [
            " ".join([*rng.choice(words, 8), *(["good"] if rng.random() < 0.5 + y * 0.3 else [])])
            for y in labels
        ]
        return Texts(np.arange(rows), lines, labels)

    validation = split(60)
    fitted = fit_tfidf(split(60), validation, validation, classes=["neg", "pos"])
    given = fitted.predictions["test"].outputs[np.arange(60), validation.labels]
    chosen = fitted.validation_loss[fitted.inverse_regularization]
    assert chosen == min(fitted.validation_loss.values())
    assert float(-np.log(given).mean()) == pytest.approx(chosen, rel=1e-6)
    np.testing.assert_array_equal(
        fitted.predictions["test"].outputs, fitted.predictions["validation"].outputs
    )


@pytest.mark.parametrize("binary", [False, True])
def test_texts_in_chunks_have_the_same_ngrams(binary, monkeypatch):
    """Without what is rare in all of them though frequent in one; some have no word."""
    monkeypatch.setattr(ngrams, "RAREST", 0.1)
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(["a", "bad", "film"], 6)) for _ in range(60)]
    lines[:20] = [f"{line} early" for line in lines[:20]]
    lines[20:25] = [f"{line} seldom" for line in lines[20:25]]
    lines[40:] = [" "] * 20
    counter, counts = count_ngrams(lines, (1, 3), binary=binary)
    monkeypatch.setattr(ngrams, "CHUNK", 7)
    same_counter, same_counts = count_ngrams(lines, (1, 3), binary=binary)
    names = counter.get_feature_names_out().tolist()
    assert same_counter.get_feature_names_out().tolist() == names
    assert {"early", "bad film"} <= set(names)
    assert "seldom" not in names
    for found in (same_counts, same_counter.transform(lines)):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.toarray(), counts.toarray())
    monkeypatch.setattr(ngrams, "RAREST", 0.9)
    with pytest.raises(ValueError, match="no n-gram"):
        count_ngrams(lines, (1, 3), binary=binary)


def test_more_classes_have_their_own_words():
    """One column and one list of words for each."""
    lists = (["red apple"], ["green pear"], ["yellow lemon"])
    fitted = fit(*lists, classes=("a", "b", "c"))
    assert fitted.predictions["test"].outputs.shape == (9, 3)
    assert fitted.words["c"][0]["ngram"] in {"yellow", "lemon", "yellow lemon"}
    assert fitted.parameters == 3 * (fitted.features + 1)


def test_a_class_without_training_rows_is_never_predicted():
    """Its probability is 0, and the columns stay in order."""
    fitted = fit(["red apple"], ["green pear"], [], classes=("a", "b", "c"))
    assert fitted.predictions["test"].outputs.shape == (6, 3)
    assert (fitted.predictions["test"].outputs[:, 2] == 0).all()


def test_chinese_is_split_into_characters():
    """No spaces between the words, and yet the telling characters are found."""
    fitted = fit(["这部电影很差", "剧情太差了"], ["这部电影很好", "剧情太好了"])
    assert (fitted.predictions["test"].labels == fitted.predictions["test"].targets).all()
    assert "差" in [word["ngram"] for word in fitted.words["neg"]]
    assert "好" in [word["ngram"] for word in fitted.words["pos"]]


@pytest.mark.parametrize(
    "sentence",
    [
        "I don't think it's a 10/10 film!",
        "Gut gemacht<br /><br />Schöne Grüße, Straße",
        "这部电影很好，我喜欢 Jackie Chan 的表演。",
        "とても面白い映画でした",
        "هذا فيلمٌ رائعٌ جدًا",
        "यह फ़िल्म बहुत अच्छी है",
        "หนังเรื่องนี้ดีมาก",
        "정말 좋은 영화 👍🙂",
        "Cafe\u0301 na\u00efve",
    ],
)
def test_tokens_are_those_that_the_networks_see(sentence):
    """The same text falls into the same tokens, whatever its script."""
    tokenizer = train_tokenizer([sentence], vocabulary=1000)
    [encoded] = tokenizer.encode([sentence], max_len=1000)
    ours = re.findall(token_pattern(), normalized(sentence))
    assert len(ours) == encoded.total
    assert len(set(ours)) == len(set(encoded.ids.tolist()))


def test_telling_ngrams_by_hand():
    """Of two classes there is one row of coefficients, for the second; only signs in its favor."""
    ngrams = np.array(["awful", "the", "good", "great"], dtype=object)
    found = telling_ngrams(np.array([[-2.0, 0.0, 1.0, 3.0]]), ngrams, ["neg", "pos"], limit=2)
    assert found == {
        "neg": [{"ngram": "awful", "coefficient": 2.0}],
        "pos": [{"ngram": "great", "coefficient": 3.0}, {"ngram": "good", "coefficient": 1.0}],
    }


def test_texts_without_a_token_are_refused():
    """With the place to look at."""
    blank = Texts(np.arange(2), [" ", "\n"], np.array([0, 1]))
    with pytest.raises(DataError, match="no words in the 2 training texts"):
        fit_tfidf(blank, blank, blank, classes=["neg", "pos"])


def test_log_count_ratios_by_hand():
    """Counts of texts that have the n-gram, plus 1, as shares of the class, as a log ratio."""
    has = csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], np.float32))
    ratios = log_count_ratios(has, np.array([True, True, False]))
    p, q = np.array([3, 2, 1]) / 6, np.array([1, 2, 2]) / 5
    np.testing.assert_allclose(ratios, np.log(p / q), rtol=1e-6)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c"), ("a", "none", "c", "d")])
@pytest.mark.parametrize("method", [fit_tfidf, fit_naive_bayes])
def test_both_baselines_tell_two_and_more_classes(method, classes):
    """Probabilities sum to 1; the telling words are each class's; a class without rows gets 0."""
    lists = [[] if name == "none" else [f"the {name}{name} thing"] for name in classes]
    fitted = fit(*lists, classes=classes, method=method)
    predictions = fitted.predictions["test"]
    np.testing.assert_allclose(predictions.outputs.sum(axis=1), 1, rtol=1e-5)
    assert (predictions.labels == predictions.targets).all()
    for name in set(classes) - {"none"}:
        assert f"{name}{name}" in fitted.words[name][0]["ngram"]
    if "none" in classes:
        assert (predictions.outputs[:, classes.index("none")] == 0).all()
        assert "none" not in fitted.words


@pytest.mark.parametrize("method", [fit_tfidf, fit_naive_bayes])
def test_the_chosen_regularization_is_not_at_an_end_of_the_grid(method):
    """Clean classes ask for less of it than the grid has: the grid grows until that is no gain."""
    rng = np.random.default_rng(0)

    def split(rows):
        labels = np.arange(rows) % 2
        lines = [f"{'ab'[label]} {rng.choice(['x', 'y', 'z'])}" for label in labels]
        return Texts(np.arange(rows), lines, np.where(rng.random(rows) < 0.003, 1 - labels, labels))

    fitted = method(split(1000), split(1000), split(10), classes=["a", "b"])
    strengths = list(fitted.validation_loss)
    assert len(strengths) > 5
    assert strengths == sorted(strengths)
    assert strengths[0] < fitted.inverse_regularization < strengths[-1]
