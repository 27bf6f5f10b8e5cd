"""Short labeled reviews whose class a word tells, and unlabeled texts with neutral sentences."""

from pipeline.data import demo


def reviews(rows, seed):
    """Generated reviews, each with a word at its end that tells its class."""
    written = demo.generate(rows=rows, seed=seed, noise=0, words=(40, 80))
    words = ("dreadful", "superb")
    return [
        {"text": f"{one.text} It is {words[one.label]}.", "label": one.label} for one in written
    ]


def unlabeled(rows):
    """Texts of their own, with sentences that tell something and sentences that don't."""
    written = demo.generate(rows=rows, seed=99, noise=0, words=(40, 80))
    return [
        {"text": f"{one.text} It is a superb boat, the {number}th."}
        for number, one in enumerate(written)
    ]
