"""An ablation's results as a table with spread, as CSV and JSON, and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.ablate_run import Result
from training.ablate_study import Study


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row a variant and part, in their order.

    Returns:
        variant, part, seeds; mean and sd over seeds (None with one) of balanced_accuracy and gain over blind;
        difference from the part's first variant, seed by seed: its mean, and the lowest and highest, None for
        the first; tokens_per_tile and weights.
    """
    rows = []
    for part in dict.fromkeys(r["part"] for r in results):
        of_part = [r for r in results if r["part"] == part]
        first = {r["seed"]: r["balanced_accuracy"] for r in of_part if r["variant"] == of_part[0]["variant"]}
        for variant in dict.fromkeys(r["variant"] for r in of_part):
            own = [r for r in of_part if r["variant"] == variant]
            scores = [r["balanced_accuracy"] for r in own]
            gaps = [r["balanced_accuracy"] - first[r["seed"]] for r in own]
            rows.append(
                {
                    "variant": variant,
                    "part": part,
                    "seeds": len(own),
                    "balanced_accuracy": mean(scores),
                    "balanced_accuracy_sd": _sd(scores),
                    "gain_over_blind": mean(r["gain"] for r in own),
                    "gain_over_blind_sd": _sd([r["gain"] for r in own]),
                    "difference": None if variant == of_part[0]["variant"] else mean(gaps),
                    "difference_lowest": None if variant == of_part[0]["variant"] else min(gaps),
                    "difference_highest": None if variant == of_part[0]["variant"] else max(gaps),
                    "tokens_per_tile": own[0]["tokens_per_tile"],
                    "weights": own[0]["weights"],
                }
            )
    return rows


def write_results(study: Study, results: Sequence[Result], command: str) -> Path:
    """results.csv (a row a model and part), results.json, table.md and plot.png in the ablation's folder."""
    folder = study.out / study.name
    folder.mkdir(parents=True, exist_ok=True)
    flat = [{k: v for k, v in result.items() if k != "kinds"} for result in results]
    pd.DataFrame(flat).to_csv(folder / "results.csv", index=False)
    stages = [stage.recipe.model_dump(mode="json", exclude_defaults=True) for stage in study.trials[0].stages]
    report = {
        "ablation": study.name,
        "title": study.ablation.title,
        "paper": study.ablation.paper,
        "command": command,
        "models": f"{len({(r['variant'], r['seed']) for r in results})} of {len(study.trials)}",
        "summary": summary(results),
        "results": list(results),
        "variants": [variant.model_dump() for variant in study.ablation.variants],
        "first_trial": stages,
    }
    (folder / "results.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(_markdown(study, results, command), encoding="utf-8")
    plot_results(study, results, folder / "plot.png")
    return folder


def print_results(study: Study, results: Sequence[Result], console: Console) -> None:
    """The table, a part at a time."""
    rows = summary(results)
    for part in dict.fromkeys(row["part"] for row in rows):
        table = Table(
            "variant", "seeds", "balanced accuracy", "gain over blind", "difference", "tokens a tile"
        )
        for row in (r for r in rows if r["part"] == part):
            table.add_row(escape(row["variant"]), *_cells(row))
        console.print(f"{study.ablation.title}, {part} drives", highlight=False)
        console.print(table)
    console.print(f"paper: {study.ablation.paper}", highlight=False, markup=False)


def plot_results(study: Study, results: Sequence[Result], path: Path) -> None:
    """Every model a dot, every variant's mean a line, its blind score a cross; a panel a part."""
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
    figure.savefig(path, dpi=120)


def _literal(text: str) -> str:
    """For matplotlib, to which what stands between two $ is a formula."""
    return text.replace("$", r"\$")


def _markdown(study: Study, results: Sequence[Result], command: str) -> str:
    rows = summary(results)
    lines = [f"## {study.ablation.title}", "", f"Paper: {study.ablation.paper}", "", f"    {command}", ""]
    lines += [
        "| variant | drives | seeds | balanced accuracy | gain over blind | difference from the first "
        "(lowest to highest) | tokens a tile |",
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
        gap = (
            f"{row['difference']:+.3f} ({row['difference_lowest']:+.3f} to {row['difference_highest']:+.3f})"
        )
    return [
        str(row["seeds"]),
        spread("balanced_accuracy"),
        spread("gain_over_blind", "+"),
        gap,
        str(row["tokens_per_tile"]),
    ]


def _sd(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None
