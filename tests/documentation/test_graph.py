from pipeline.documentation.graph import mermaid


def test_only_the_arrows_that_no_path_implies():
    """A matrix is one node; an output inside a dependency counts, and so does the reverse.

    A stage that reads the one before it alone continues its line.
    """
    stages = {
        "a": {"outs": [{"data/a": {"persist": True}}]},
        "b": {"deps": ["data/a/card.json"], "outs": ["out/${item.x}-1"], "matrix": {"x": [1]}},
        "c": {"deps": ["data/a", "out"], "metrics": [{"c.json": {"cache": False}}]},
        "d": {"deps": ["data/ab", "c.json"], "outs": ["d"]},
        "e": {"deps": ["data/ab"], "outs": ["e"]},
        "f": {"deps": ["data/a", "d", "e"]},
    }
    assert mermaid(stages).splitlines() == [
        "```mermaid",
        "flowchart LR",
        '  b["b (x)"]',
        "  a --> b --> c --> d",
        "  d & e --> f",
        "```",
    ]
