"""A dataset's results as git keeps them, of a regression."""

from pipeline.documentation.kept import Kept

METRICS = {
    "dataset": "adding",
    "models": {
        "mean": {"seeds": 1, "parameters": 1, "test": {"mse": {"mean": 0.5, "sd": None}}},
        "bilstm": {"seeds": 3, "parameters": 1200, "test": {"mse": {"mean": 0.1, "sd": 0.02}}},
        "bilstm_attention": {
            "seeds": 3,
            "parameters": 1300,
            "test": {"mse": {"mean": 0.00002, "sd": 0.000006}},
        },
    },
}
PAIR = {
    "first": "bilstm_attention",
    "second": "bilstm",
    "difference": -0.09998,
    "low": -0.12,
    "high": -0.08,
    "p_value_holm": 0.00002,
    "mcnemar": [],
    "verdict": "better",
    "sentence": "bilstm_attention is better than bilstm.",
}
COMPARISON = {
    "task": "regression",
    "metric": "mse",
    "higher_is_better": False,
    "headline": "It is better.",
    "rows": {"validation": 10, "test": 2000},
    "method": {"confidence": 0.95, "resamples": 5000},
    "models": {name: {"deterministic": name == "mean"} for name in METRICS["models"]},
    "pairs": [PAIR],
}
FAITHFULNESS = {
    "models": {
        "bilstm_attention": {
            "level": "partly supported",
            "seeds": {"1": {"deletion": None, "evidence": None}},
            "agreement": None,
        }
    }
}
RECORD = {
    "date": "2026-01-02",
    "machine": {
        "processor": "P",
        "cores": 2,
        "threads": 1,
        "system": "Linux",
        "python": "3.11.1",
        "libraries": {"tensorflow": "2.21.0"},
    },
}
KEPT = Kept("adding", METRICS, COMPARISON, FAITHFULNESS, RECORD)
