"""An ablation's results as a table with spread, as CSV and JSON, and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from leo_drive.evaluation.bootstrap import paired
from leo_drive.evaluation.closed import balanced_accuracy, closed_rows
from leo_drive.evaluation.report import write_json
from leo_drive.evaluation.table import read_table
from leo_drive.files import replacing, write
from leo_drive.terminal import print_table
from training.ablate_run import Result
from training.ablate_study import Study


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row a variant and part, in their order.

    Returns:
        variant, part, seeds; mean and sd over seeds (None with one) of balanced_accuracy and gain over blind;
        difference from the part's first variant, seed by seed: its mean, the lowest and highest, and the 95 %
        interval of the mean over clips, None for the first; tokens_per_tile and weights.
    """
    rows = []
    for part in dict.fromkeys(r["part"] for r in results):
        of_part = [r for r in results if r["part"] == part]
        of_first = [r for r in of_part if r["variant"] == of_part[0]["variant"]]
        for variant in dict.fromkeys(r["variant"] for r in of_part):
            own = [r for r in of_part if r["variant"] == variant]
            scores = [r["balanced_accuracy"] for r in own]
            rows.append(
                {
                    "variant": variant,
                    "part": part,
                    "seeds": len(own),
                    "balanced_accuracy": mean(scores),
                    "balanced_accuracy_sd": _sd(scores),
                    "gain_over_blind": mean(r["gain"] for r in own),
                    "gain_over_blind_sd": _sd([r["gain"] for r in own]),
                    **_difference(of_first, own),
                    "tokens_per_tile": own[0]["tokens_per_tile"],
                    "weights": own[0]["weights"],
                }
            )
    return rows


def _difference(first: Sequence[Result], own: Sequence[Result]) -> dict[str, Any]:
    if own == first:
        gaps, interval = [], None
    else:
        scores = {r["seed"]: r["balanced_accuracy"] for r in first}
        gaps = [r["balanced_accuracy"] - scores[r["seed"]] for r in own]
        interval = _interval(first, own)
    return {
        "difference": mean(gaps) if gaps else None,
        "difference_lowest": min(gaps, default=None),
        "difference_highest": max(gaps, default=None),
        "difference_interval": interval,
    }


def _interval(first: Sequence[Result], other: Sequence[Result]) -> list[float] | None:
    """Of the mean difference over seeds, by resampling clips: how much hangs on which ones were asked about.

    None where the two have not answered the same questions with the same seeds.
    """
    seeds = [r["seed"] for r in other]
    tables = [_answers(results, seeds) for results in (first, other)]
    asked = [list(zip(table["seed"], table["question_id"], strict=True)) for table in tables]
    if not asked[0] or asked[0] != asked[1]:
        return None
    # A recall has as many questions of each seed: the mean over seeds is the score of all of them at once.
    a, b = (balanced_accuracy(table) for table in tables)
    return paired(a, b, list(tables[0]["segment_id"]))[1]


def _answers(results: Sequence[Result], seeds: Sequence[int]) -> pd.DataFrame:
    """The closed questions that models of these seeds have answered, seed by seed."""
    of_seed = {r["seed"]: r["answers"] for r in results if "answers" in r}
    tables = [closed_rows(read_table(of_seed[seed])).assign(seed=seed) for seed in seeds if seed in of_seed]
    return pd.concat(tables) if tables else pd.DataFrame({"seed": [], "question_id": []})


def write_results(study: Study, results: Sequence[Result], command: str) -> Path:
    """results.csv (a row a model and part), results.json, table.md and plot.png in the ablation's folder."""
    folder = study.out / study.name
    folder.mkdir(parents=True, exist_ok=True)
    rows = summary(results)
    kept = [{k: v for k, v in result.items() if k != "answers"} for result in results]
    flat = [{k: v for k, v in result.items() if k != "kinds"} for result in kept]
    stages = [stage.recipe.model_dump(mode="json", exclude_defaults=True) for stage in study.trials[0].stages]
    report = {
        "ablation": study.name,
        "title": study.ablation.title,
        "paper": study.ablation.paper,
        "command": command,
        "models": f"{len({(r['variant'], r['seed']) for r in results})} of {len(study.trials)}",
        "summary": rows,
        "results": kept,
        "variants": [variant.model_dump() for variant in study.ablation.variants],
        "first_trial": stages,
    }
    # Each is whole at every moment: they are written after every model, and looked at meanwhile.
    write(folder / "results.csv", pd.DataFrame(flat).to_csv(index=False))
    write_json(folder / "results.json", report)
    write(folder / "table.md", _markdown(study, rows, command))
    with replacing(folder / "plot.png") as unfinished:
        plot_results(study, results, unfinished)
    return folder


def print_results(study: Study, results: Sequence[Result], console: Console) -> None:
    """The table, a part at a time."""
    rows = summary(results)
    for part in dict.fromkeys(row["part"] for row in rows):
        table = Table(
            "variant", "seeds", "balanced accuracy", "gain over blind", "difference", "tokens a tile"
        )
        for row in (r for r in rows if r["part"] == part):
            table.add_row(row["variant"], *_cells(row))
        console.print(f"{study.ablation.title}, {part} drives")
        print_table(table, console)
    console.print(f"paper: {study.ablation.paper}")


def plot_results(study: Study, results: Sequence[Result], path: Path) -> None:
    """A PNG: every model a dot, every variant's mean a line, its blind score a cross; a panel a part."""
    from matplotlib.figure import Figure

    parts = list(dict.fromkeys(r["part"] for r in results))
    variants = [v.name for v in study.ablation.variants if any(r["variant"] == v.name for r in results)]
    figure = Figure(figsize=(4.5 + 4 * len(parts), 1.2 + 0.5 * len(variants)), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        for y, variant in enumerate(variants):
            own = [r for r in results if r["part"] == part and r["variant"] == variant]
            scores = [r["balanced_accuracy"] for r in own]
            axes.plot(scores, [y] * len(own), "o", color="C0", alpha=0.7)
            axes.plot([mean(scores)] * 2, [y - 0.3, y + 0.3], color="C0")
            axes.plot([r["blind"] for r in own], [y] * len(own), "x", color="0.5")
        axes.set(title=f"{_literal(part)} drives", xlabel="balanced accuracy (crosses: blind)")
        axes.set_yticks(range(len(variants)), [_literal(variant) for variant in variants])
        axes.grid(alpha=0.3)
    panels[0].invert_yaxis()
    figure.suptitle(_literal(study.ablation.title))
    figure.savefig(path, dpi=120, format="png")


def _literal(text: str) -> str:
    """For matplotlib, to which what stands between two $ is a formula."""
    return text.replace("$", r"\$")


def _markdown(study: Study, rows: Sequence[dict[str, Any]], command: str) -> str:
    lines = [f"## {study.ablation.title}", "", f"Paper: {study.ablation.paper}", "", f"    {command}", ""]
    lines += [
        "| variant | drives | seeds | balanced accuracy | gain over blind | difference from the first "
        "(95 % interval over clips; lowest to highest of the seeds) | tokens a tile |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        seeds, *cells = _cells(row)
        variant, part = (row[key].replace("|", r"\|") for key in ("variant", "part"))
        lines.append(" | ".join([f"| {variant}", part, seeds, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    def spread(name: str, sign: str = "") -> str:
        sd = row[f"{name}_sd"]
        return f"{row[name]:{sign}.3f}" + ("" if sd is None else f" ± {sd:.3f}")

    gap = ""
    if row["difference"] is not None:
        ranges = [row["difference_interval"]] if row["difference_interval"] else []
        if row["seeds"] > 1:
            ranges.append([row["difference_lowest"], row["difference_highest"]])
        gap = f"{row['difference']:+.3f}"
        if ranges:
            gap += f" ({'; '.join(f'{low:+.3f} to {high:+.3f}' for low, high in ranges)})"
    return [
        str(row["seeds"]),
        spread("balanced_accuracy"),
        spread("gain_over_blind", "+"),
        gap,
        str(row["tokens_per_tile"]),
    ]


def _sd(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None
