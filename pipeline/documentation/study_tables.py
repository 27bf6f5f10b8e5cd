"""The studies' results as Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.predictions import NAIVE_BAYES, TFIDF
from pipeline.documentation.tables import STATES, markdown, with_ends
from pipeline.evaluation.headline import model_title
from pipeline.evaluation.pairwise import MINIMUM_SEEDS
from pipeline.evaluation.results import aggregate
from pipeline.evaluation.wording import listed, mean_and_sd, signed_points
from pipeline.explanation.names import CONTROLS
from pipeline.explanation.trust import two_decimals

Document = Mapping[str, Any]
HOUR = 60.0  # CPU minutes


def length_study(summary: Document) -> str:
    """Accuracy by length and place of the evidence, with its interval; and what that says."""
    described = summary["accuracy"]
    names = list(next(iter(described["anywhere"].values())))
    table = markdown(
        ["words", "evidence", *(f"`{name}`" for name in names)],
        [
            [
                length.replace("-", "–"),
                position,
                *(
                    f"{100 * found['accuracy']:.1f} "
                    f"({100 * found['low']:.1f} to {100 * found['high']:.1f})"
                    for found in (by_model[name] for name in names)
                ),
            ]
            for length in described["anywhere"]
            for position, by_model in (
                (position, by_length[length]) for position, by_length in described.items()
            )
        ],
    )
    return f"{table}\n\n> {summary['answer']}"


def learning(summary: Document) -> str:
    """How many runs learned, after how many epochs, and their accuracy."""
    rows = []
    for length, models in summary["learning"].items():
        for model, found in models.items():
            after = [epoch for epoch in found["learned_after"] if epoch is not None]
            rows.append(
                [
                    length.replace("-", "–").replace("x", ", times "),
                    f"`{model}`",
                    f"{len(after)} of {len(found['learned_after'])}",
                    ", ".join(map(str, sorted(after))) or "–",
                    _of_runs(found["accuracy"]),
                ]
            )
    return markdown(["words", "model", "runs that learned", "after epochs", "accuracy, %"], rows)


def remedies(summary: Document) -> str:
    """What each remedy gives the last state, and attention's lead with the same for both."""
    return markdown(
        ["last state with", "validation log loss", "gain", "attention's lead with the same"],
        [
            [
                f"`{one['model']}`",
                f"{one['validation_loss']:.3f}",
                *(
                    f"{signed_points(claim['difference'])} ({signed_points(claim['low'])} to "
                    f"{signed_points(claim['high'])}), {claim['verdict']}"
                    for claim in (one["gain"], one["lead"])
                ),
            ]
            for one in summary["remedies"]
        ],
    )


def recipe(trials: Sequence[Mapping[str, str]]) -> str:
    """The trials of a search by validation loss; transposed if the models are more."""
    names = [column for column in trials[0] if column.endswith(" val_accuracy")]
    table = [["recipe", "mean log loss", *(f"`{name.split()[0]}`, %" for name in names)]]
    table += [
        [
            trial["trial"],
            f"{float(trial['val_loss']):.3f}",
            *(f"{100 * float(trial[name]):.1f}" for name in names),
        ]
        for trial in trials
    ]
    if len(names) > len(trials):
        table = [list(column) for column in zip(*table, strict=True)]
    return markdown(table[0], table[1:])


def suggestion(results: Sequence[Mapping[str, str]]) -> str:
    """The study of the suggested parameters: a row for each case, with its best baseline."""
    cases: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for one in results:
        key = (one["dataset"], one["target"], one["rows"], one["metric"])
        cases.setdefault(key, []).append(one)
    networks = list(dict.fromkeys(one["model"] for one in results if one["epochs"]))
    rows = []
    for (dataset, target, rows_in_train, metric), found in cases.items():
        sign = 1 if metric == "mse" else -1
        baselines = [one for one in found if not one["epochs"]]
        best = min(baselines, key=lambda one: sign * float(one["validation"]))
        of_model = {one["model"]: one for one in found}
        rows.append(
            [
                f"{dataset}, {target}" if target else dataset,
                f"{int(rows_in_train):,}",
                "MSE" if metric == "mse" else "accuracy, %",
                f"{_score(best)} (`{best['model']}`)",
                *(_score(of_model[name]) for name in networks),
                ", ".join(
                    f"{of_model[name]['best_epoch']} of {of_model[name]['epochs']}"
                    for name in networks
                ),
            ]
        )
    titles = ["data", "rows in train", "on test", "best baseline", *(f"`{n}`" for n in networks)]
    return markdown([*titles, "best epochs"], rows)


def sizes(results: Sequence[Mapping[str, str]]) -> str:
    """The study of sizes: accuracy by the number of texts, with intervals, and what it says."""
    numbers = list(dict.fromkeys(one["rows"] for one in results))
    table = markdown(
        ["accuracy on test, %", *(f"{int(number):,} texts" for number in numbers)],
        [
            [f"`{model}`", *(_with_interval(one) for one in of_model)]
            for model, of_model in _by_model(results).items()
        ],
    )
    return "\n\n".join([table, *(f"> {_at_size(results, number)}" for number in numbers)])


def _at_size(results: Sequence[Mapping[str, str]], number: str) -> str:
    """How the models stand with that many texts."""
    return f"With {int(number):,} texts {_standing([r for r in results if r['rows'] == number])}"


def _standing(found: Sequence[Mapping[str, str]]) -> str:
    """Which model is the best of a case, and what each pooling gains on the last state."""
    best = max(found, key=lambda one: float(one["accuracy"]))
    gains = [f"{one['model']} {_points(one, 'difference')}" for one in found if _gains(one)]
    return (
        f"{model_title(best['model'])} is the best, with {100 * float(best['accuracy']):.1f} %. "
        f"Against the last state, in points: {listed(gains)}."
    )


def _gains(row: Mapping[str, str]) -> bool:
    """Whether it is of a network that is compared with the last state's."""
    return row["model"] not in {TFIDF, NAIVE_BAYES, STATES}


def _points(row: Mapping[str, str], name: str) -> str:
    """As in "+1.0 (+0.2 to +1.8)"."""
    middle, low, high = (signed_points(float(row[f"{name}{end}"])) for end in ("", "_low", "_high"))
    return f"{middle} ({low} to {high})"


def _by_model(results: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    found: dict[str, list[Mapping[str, str]]] = {}
    for one in results:
        found.setdefault(one["model"], []).append(one)
    return found


def _with_interval(found: Mapping[str, str]) -> str:
    middle, low, high = (100 * float(found[f"accuracy{end}"]) for end in ("", "_low", "_high"))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def parts(results: Sequence[Mapping[str, str]], costs: Sequence[Mapping[str, str]]) -> str:
    """The study of a recipe's parts: a row for each case and model, with what an epoch costs."""
    takes = {(one["case"], one["model"]): one for one in costs}
    rows = []
    for one in results:
        spread = one["accuracy_sd"]
        compared = one["difference"] and not one["repeats"]
        cost = takes.get((one["case"], one["model"]), {})
        rows.append(
            [
                f"`{one['case']}`" if one["case"] else "–",
                f"`{one['model']}`",
                one["runs"] if one["case"] else "–",
                f"{100 * float(one['validation']):.1f}",
                _with_interval(one),
                f"{100 * float(one['longest']):.1f}",
                f"{100 * float(spread):.2f}" if spread else "–",
                *(
                    f"{100 * float(one[name]):.1f}" if one[name] else "–"
                    for name in ("ensemble", "ensemble_and_linear")
                ),
                _points(one, "difference") if compared else "–",
                cost.get("epoch_cpu_minutes", "–"),
                f"{int(cost['peak_memory_mb']):,}" if cost else "–",
            ]
        )
    cases = dict.fromkeys(one["case"] for one in results if one["case"])
    first, linear = next(iter(cases), ""), _best_baseline(results)
    titles = ["case", "model", "seeds", "on validation, %", "on test, %", "longest twentieth, %"]
    titles += ["sd over seeds, points", "ensemble, %", "ensemble and linear, %"]
    titles += [f"against `{first}`, points", "an epoch, CPU minutes", "memory, MB"]
    table = markdown(titles, rows)
    longest = "On the longest twentieth alone"
    said = [
        *_within_cases(results),
        *_told_apart(results, "over_linear", f"Against `{linear}`"),
        *_told_apart(results, "longest_gain", f"{longest}, against `{first}`"),
        *_told_apart(results, "longest_over_linear", f"{longest}, against `{linear}`"),
    ]
    return "\n".join([table, "", *said] if said else [table])


def best_parts(
    results: Sequence[Mapping[str, str]],
    costs: Sequence[Mapping[str, str]],
    study: Mapping[str, Any],
) -> str:
    """In words: the best on validation, of those with three seeds that train within an hour.

    Left out are repetitions, and cases that hold out other rows for validation than the rest.

    Args:
        results: the rows of `intervals.csv`.
        costs: those of `costs.csv`.
        study: `params.yaml` of the study.
    """
    minutes = {(one["case"], one["model"]): float(one["epoch_cpu_minutes"]) for one in costs}

    def quick(one: Mapping[str, str]) -> bool:
        epoch = minutes.get((one["case"], one["model"]), float("inf"))
        return epoch * int(one["epochs"]) <= HOUR

    def comparable(case: str) -> bool:
        changes = [study["parts"][part] for part in study["cases"][case].get("parts", ())]
        held_out = {"seed", "validation_share"}
        return not any(held_out & change.get("encode", {}).keys() for change in changes)

    finished = [
        one
        for one in results
        if one["case"]
        and not one["repeats"]
        and int(one["runs"]) >= MINIMUM_SEEDS
        and comparable(one["case"])
        and quick(one)
    ]
    if not finished:
        return ""
    best = max(finished, key=lambda one: float(one["validation"]))
    reached = f"{best['model']} reaches {_with_interval(best)} %"
    if both := best["ensemble_and_linear"]:
        reached += f"; the mean of all its seeds and a linear baseline, {100 * float(both):.1f} %"
    return (
        " In the [study of a recipe's parts](docs/results.md#parts-of-a-recipe), the best on "
        "validation of what trains within an hour on one core is "
        f"`{best['case']}`, with which {reached}."
    )


def _within_cases(results: Sequence[Mapping[str, str]]) -> list[str]:
    """In words: each lead on a case's first model, and what a repetition changes."""
    first: dict[str, str] = {}
    said = []
    for one in results:
        case, model = one["case"], one["model"]
        against = first.setdefault(case, model)
        if one["lead"]:
            said.append(
                f"- `{case}`: `{model}` against `{against}`, in points: {_points(one, 'lead')}."
            )
        if one["repeat_sd"]:
            said.append(
                f"- `{case}` against `{one['repeats']}`, which it repeats: `{model}`, in points: "
                f"{_points(one, 'difference')}; the standard deviation over such repetitions is "
                f"estimated at {100 * float(one['repeat_sd']):.2f}."
            )
    return said


def _told_apart(results: Sequence[Mapping[str, str]], name: str, head: str) -> list[str]:
    """In words: each difference of that name whose interval leaves out 0."""
    told = [
        f"`{one['model']}` of `{one['case']}` {_points(one, name)}"
        for one in results
        if one[name] and not one["repeats"]
        if float(one[f"{name}_low"]) * float(one[f"{name}_high"]) > 0
    ]
    return [f"- {head}, in points: {listed(told)}; no other is told apart."] if told else []


def _best_baseline(results: Sequence[Mapping[str, str]]) -> str:
    """Of the linear ones, by validation."""
    baselines = [one for one in results if not one["case"]]
    return max(baselines, key=lambda one: float(one["validation"]))["model"] if baselines else ""


def intervals(results: Sequence[Mapping[str, str]]) -> str:
    """The simulated intervals: a row for each case."""
    return markdown(
        [
            "test rows",
            "in groups of",
            "runs of each model",
            "sd over seeds, points",
            "intervals that hold the truth, %",
            "false alarms, %",
            "at p < 0.001, %",
        ],
        [
            [
                f"{int(one['rows']):,}",
                one["group"],
                f"{one['first_runs']} and {one['second_runs']}",
                f"{100 * float(one['seed_sd']):.1f}",
                f"{100 * float(one['coverage']):.1f}",
                f"{100 * float(one['false_alarms']):.1f}",
                f"{100 * float(one['far_alarms']):.2f}",
            ]
            for one in results
        ],
    )


def distractors(results: Sequence[Mapping[str, str]]) -> str:
    """The study of distractors: accuracy by length and place, with its interval, and in words."""
    by_model = _by_model(results)
    table = markdown(
        ["tokens", "sentences", *(f"`{name}`" for name in by_model)],
        [
            [f"{int(cells[0]['length']):,}", cells[0]["place"], *map(_with_interval, cells)]
            for cells in zip(*by_model.values(), strict=True)
        ],
    )
    lengths = list(dict.fromkeys(one["length"] for one in results))
    said = [f"> {at_length(results, length)}" for length in lengths]
    return "\n\n".join([table, *said])


def at_length(results: Sequence[Mapping[str, str]], length: str) -> str:
    """How the models stand at a length, and by how much more or less than at the least one."""
    found = [one for one in results if (one["length"], one["place"]) == (length, "any")]
    told = f"At {int(length):,} tokens {_standing(found)} {_by_place(results, length)}"
    shortest = min((one["length"] for one in results), key=int)
    if length == shortest:
        return told
    changes = [f"{one['model']} {_points(one, 'change')}" for one in found if _gains(one)]
    return (
        f"{told} Compared with {int(shortest):,} tokens, these leads changed by: {listed(changes)}."
    )


def _by_place(results: Sequence[Mapping[str, str]], length: str) -> str:
    """What the last state reaches, by where the sentences stand."""
    reached = {
        one["place"]: f"{100 * float(one['accuracy']):.1f}"
        for one in results
        if (one["length"], one["model"]) == (length, STATES) and one["place"] != "any"
    }
    places, numbers = listed(list(reached)), listed(list(reached.values()))
    return f"With the sentences {places} the review, the last state reaches {numbers} %."


def roar(summary: Document) -> str:
    """Recursive ROAR: each method's accuracy by the ratio that is masked, its RACU, verdicts."""
    table = markdown(
        ["words masked by", *(f"{100 * ratio:g} %" for ratio in summary["ratios"]), "RACU"],
        [
            [
                found["title"],
                *map(_of_runs, found["accuracy"]),
                with_ends(found["racu"], "estimate", two_decimals),
            ]
            for found in summary["methods"].values()
        ],
    )
    return "\n".join([table, *(f"\n> {sentence}" for sentence in summary["sentences"])])


def attention(results: Sequence[Document]) -> str:
    """The study of attention's options: accuracy, and what the weights are like and worth.

    Means over rows and seeds.
    """
    return markdown(
        [
            "texts",
            "attention",
            "accuracy on test, %",
            "against the first, points",
            "conicity",
            "entropy",
            "comprehensiveness",
            "sufficiency",
            "evidence, AUPRC",
            "agreement between seeds, Spearman's ρ",
            "not better than these controls",
            "verdict",
        ],
        [
            [
                f"{found['dataset']}, {found['rows']['train']:,}",
                f"`{name}`",
                mean_and_sd(**one["accuracy"], write=lambda value: f"{100 * value:.1f}"),
                with_ends(one.get("difference"), "mean", signed_points),
                *(two_decimals(one[of]) for of in ("conicity", "entropy")),
                *(
                    with_ends(one.get(of), "mean", two_decimals)
                    for of in ("comprehensiveness", "sufficiency", "auprc")
                ),
                "–" if one["agreement"] is None else two_decimals(one["agreement"]),
                listed([CONTROLS[control] for control in one["unbeaten"]]) or "none",
                one["average"],
            ]
            for found in results
            for name, one in found["variants"].items()
        ],
    )


def _of_runs(values: Sequence[float]) -> str:
    if not values:
        return "–"
    found = aggregate(values)
    return mean_and_sd(found["mean"], found["sd"], lambda value: f"{100 * value:.1f}")


def _score(result: Mapping[str, str]) -> str:
    value = float(result["test"])
    return f"{value:.4g}" if result["metric"] == "mse" else f"{100 * value:.1f}"
