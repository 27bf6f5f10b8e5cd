"""Whether a model's methods beat their controls, over rows and seeds, and which points best."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core import params
from pipeline.evaluation.significance import Bootstrap, Difference, holm, paired_differences
from pipeline.explanation.estimates import DIGITS, Document
from pipeline.explanation.measures import Lime, Measured
from pipeline.explanation.names import CONTROLS, DETAILS, LIME, MEASURES, METHODS
from pipeline.explanation.verdict import PARTLY, SUPPORTED, UNSUPPORTED

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]  # candidate → measure → [seeds, rows]
Differences = Mapping[tuple[str, str, str], Difference]  # (candidate, another or NOTHING, measure)
NOTHING = ""


def summarize(
    runs: Mapping[int, Measured], settings: params.Explain, bootstrap: Bootstrap
) -> Document:
    """Compare a model's candidates over its rows and seeds.

    A method beats a control if it leads it by `settings.minimum_gain` or more and the lead is clear
    after Holm's correction over all of the method's leads. Leads count in comprehensiveness and,
    where evidence is known, in AUPRC. The evidence belongs to the text and not to the network, so
    another seed's attention is no control of the latter.

    Attention that hardly changes when the whole network is randomized is not supported, whatever it
    beats.

    Returns:
        `methods`: candidate → its measures and `details`, and for a method the controls that it
        doesn't beat, `randomized`, what remains of its order, and `learned`, whether that is little
        enough. `orders`: Kendall's τ between methods. `lime`: see `_lime`; it decides nothing.
        `level`, of attention, None without it; `best`, the most faithful method; and `sentences`.
    """
    names = next(iter(runs.values())).rows
    values = {
        name: {
            of: np.stack([run.rows[name][of] for run in runs.values()])
            for of in MEASURES
            if len(names[name].get(of, ())) > 1
        }
        for name in (*METHODS, *CONTROLS)
        if name in names
    }
    differences = _differences(values, bootstrap)
    methods: Document = {
        name: {
            "title": {**METHODS, **CONTROLS}[name],
            **{of: _interval(differences[name, NOTHING, of]) for of in measures},
            "details": {
                of: _mean(run.rows[name][of] for run in runs.values())
                for of in DETAILS
                if len(names[name].get(of, ()))
            },
            "control": name in CONTROLS,
        }
        for name, measures in values.items()
    }
    for name in METHODS:
        if name in values:
            methods[name]["leads"] = leads = _leads(name, differences)
            methods[name]["randomized"] = {
                level: _mean(run.randomized[name][level] for run in runs.values())
                for level in next(iter(runs.values())).randomized.get(name, ())
            }
            methods[name]["learned"] = _learned(methods[name], settings)
            methods[name]["unbeaten"] = [
                control
                for control, by_measure in leads.items()
                if any(not _clear(lead, settings, bootstrap) for lead in by_measure.values())
            ]
    level, said = _level(methods, settings)
    best, sentence = _best(differences, methods, settings, bootstrap)
    if "random" in methods[best]["unbeaten"]:
        sentence = "For this model, no method points clearly better than random steps do."
    rows = int(values["random"]["comprehensiveness"].shape[1])
    return {
        "rows": rows,
        "seeds": list(runs),
        "completeness_error": round(float(np.mean([run.error for run in runs.values()])), DIGITS),
        "methods": methods,
        "orders": [
            {"methods": pair, "tau": _mean(run.orders[pair] for run in runs.values())}
            for pair, rows in next(iter(runs.values())).orders.items()
            if len(rows)
        ],
        "lime": _lime([run.lime for run in runs.values() if run.lime], rows, settings, bootstrap),
        "level": level,
        "best": best,
        "sentences": [*said, sentence],
    }


def _lime(
    runs: Sequence[Lime], compared: int, settings: params.Explain, bootstrap: Bootstrap
) -> Document | None:
    """LIME beside every method on its few of the compared rows, LIME first; None if it has none.

    Returns:
        `rows` and `samples`. `methods`: "lime" or a method → `title` and measures. `orders`:
        Kendall's τ of LIME with other methods.
    """
    if not runs:
        return None
    rows = len(runs[0].rows["lime"]["comprehensiveness"])
    values = {
        (name, of): np.stack([run.rows[name][of] for run in runs])
        for name in ("lime", *METHODS)
        for of in MEASURES
        if len(runs[0].rows.get(name, {}).get(of, ())) > 1
    }
    methods: Document = {}
    drawn = replace(bootstrap, block=max(1, round(bootstrap.block * rows / compared)))
    for (name, of), scores in values.items():
        (found,) = paired_differences([(scores, np.zeros((1, scores.shape[1])))], drawn)
        methods.setdefault(name, {"title": {"lime": LIME, **METHODS}[name]})[of] = _interval(found)
    return {
        "rows": rows,
        "samples": settings.lime_samples,
        "methods": methods,
        "orders": [
            {"methods": ["lime", other], "tau": _mean(run.orders[other] for run in runs)}
            for other, first in runs[0].orders.items()
            if len(first)
        ],
    }


def _differences(values: Values, bootstrap: Bootstrap) -> Differences:
    """What each candidate scores, and by how much each method leads attention and the controls."""
    found: dict[tuple[str, str, str], Difference] = {}
    for of in MEASURES:
        scores = {name: measures[of] for name, measures in values.items() if of in measures}
        pairs = {
            (name, other, of): (scores[name], scores[other])
            for name in METHODS
            for other in ("attention", *CONTROLS)
            if name in scores and other in scores
        }
        for name, own in scores.items():
            pairs[name, NOTHING, of] = (own, np.zeros((1, own.shape[1])))
        if pairs:
            differences = paired_differences(list(pairs.values()), bootstrap)
            found |= zip(pairs, differences, strict=True)
    return found


def _leads(name: str, differences: Differences) -> Document:
    """Control → measure → the method's lead over it, with Holm's p-value."""
    pairs = [
        (control, of)
        for control in CONTROLS
        for of in ("comprehensiveness", "auprc")
        if (name, control, of) in differences and (control, of) != ("other_seed", "auprc")
    ]
    leads = [_lead(differences[name, *pair]) for pair in pairs]
    corrected = holm([lead["p_value"] for lead in leads])
    result: Document = {}
    for (control, of), lead, p_value in zip(pairs, leads, corrected, strict=True):
        result.setdefault(control, {})[of] = {**lead, "p_value_holm": round(p_value, DIGITS)}
    return result


def _lead(found: Difference) -> Document:
    return {**_interval(found), "p_value": found.p_value}


def _interval(found: Difference) -> Document:
    """Mean and interval over rows and seeds."""
    return {
        "mean": round(found.estimate, DIGITS),
        "low": round(found.low, DIGITS),
        "high": round(found.high, DIGITS),
    }


def _mean(runs: Iterable[NDArray[np.float64]]) -> float:
    """The mean over all rows of all runs."""
    return round(float(np.mean(np.concatenate(list(runs)))), DIGITS)


def _clear(lead: Document, settings: params.Explain, bootstrap: Bootstrap) -> bool:
    return bool(
        lead["mean"] >= settings.minimum_gain and lead["p_value_holm"] < 1 - bootstrap.confidence
    )


# ── in words ─────────────────────────────────────────────────────────────────────────────


def _level(methods: Document, settings: params.Explain) -> tuple[str | None, list[str]]:
    """The level of attention, and why; None without attention.

    A control that has no meaning for the model doesn't count: a series has no rare words, and
    nothing may be trained in the attention. A second seed might have been trained, so without one
    the weights are at best partly supported.
    """
    if "attention" not in methods:
        return None, []
    unbeaten = methods["attention"]["unbeaten"]
    lacking = [] if "other_seed" in methods else ["other_seed"]
    if not {*unbeaten, *lacking} & {*settings.supported}:
        level = SUPPORTED
    elif not {*unbeaten} & {*settings.partly_supported}:
        level = PARTLY
    else:
        level = UNSUPPORTED
    beaten = [name for name in methods["attention"]["leads"] if name not in unbeaten]
    said = [
        f"is clearly better than {_listed(beaten)}" if beaten else "is clearly better than nothing",
        *([f"not clearly better than {_listed(unbeaten)}"] if unbeaten else []),
    ]
    alone = "; there is no other seed to compare it with" if lacking else ""
    said = [f"Against controls, attention {', but '.join(said)}{alone}."]
    if remaining := methods["attention"]["randomized"]:
        left = [*remaining.values()][-1]
        known = methods["attention"]["learned"]
        said.append(
            f"With fresh weights in the whole network, its order has a rank correlation of "
            f"{left:.2f} with the original one, "
            f"{'so it tells of what was learned' if known else 'so it needs nothing learned'}."
        )
        level = level if known else UNSUPPORTED
    return level, said


def _learned(method: Document, settings: params.Explain) -> bool:
    """Whether a method's order changes enough when the whole network is randomized."""
    remaining = list(method["randomized"].values())
    return not remaining or bool(remaining[-1] < settings.randomized_below)


def _listed(controls: Sequence[str]) -> str:
    titles = [CONTROLS[name] for name in controls]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _best(
    differences: Differences,
    methods: Document,
    settings: params.Explain,
    bootstrap: Bootstrap,
) -> tuple[str, str]:
    """The method that points best at what changes the prediction, by comprehensiveness, in words.

    With attention, the best must lead it clearly. A method whose order needs nothing that was
    learned isn't the best, unless none does: then it is leave-one-out, which asks the network.
    """
    means = {
        name: methods[name]["comprehensiveness"]["mean"]
        for name in METHODS
        if name in methods and (name == "attention" or methods[name]["learned"])
    } or {"leave_one_out": methods["leave_one_out"]["comprehensiveness"]["mean"]}
    best = max(means, key=lambda name: means[name])
    figure = f"comprehensiveness {means[best]:.3f}"
    points = "at what changes the prediction"
    if "attention" not in means:
        return best, f"For this model, {METHODS[best]} points best {points} ({figure})."
    others = [name for name in means if name != "attention"]
    leads = [_lead(differences[name, "attention", "comprehensiveness"]) for name in others]
    corrected = holm([lead["p_value"] for lead in leads])
    clear = {
        name
        for name, lead, p_value in zip(others, leads, corrected, strict=True)
        if _clear({**lead, "p_value_holm": p_value}, settings, bootstrap)
    }
    if best in clear:
        return best, (
            f"For this model, {METHODS[best]} points better {points} than attention does "
            f"({figure} against {means['attention']:.3f})."
        )
    return "attention", (
        f"For this model, no other method points clearly better {points} than attention does."
    )
