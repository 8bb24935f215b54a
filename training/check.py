"""What a recipe would do, before it does it: python -m training.train RECIPE.yaml --check"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
from rich.table import Table

from leo_drive.data.check import check_examples
from leo_drive.data.example import Example
from leo_drive.data.unusable import gathering_unusable
from leo_drive.errors import InputError, some
from leo_drive.files import writable_folder, write
from leo_drive.inference.load import open_processor
from leo_drive.model import LeoConfig, LeoProcessor
from leo_drive.terminal import out, print_table, progress
from training.costs import HeldOut, Shown, print_costs
from training.data import QuestionClips
from training.labelled import LabelledFrames
from training.lengths import Lengths, measure
from training.new_model import NEW_MODELS
from training.pictures import read_labels
from training.recipe import DataSource, Recipe
from training.records import SAMPLES
from training.sources import read_source
from training.start import apply_settings, texts
from training.train import draw_weights, open_sources

_BINS = 10
_BAR = 40
_LISTED = 20
"""Lines that a list on the screen has; a longer one is in a file as a whole."""
LIST = "check.txt"


def check_recipe(recipe: Recipe) -> None:
    """Read everything and print what there is, what is wrong and what training would take.

    What cannot be read or used is passed over, and told at the end.

    Raises:
        InputError: something is missing or damaged, or does not fit the context.
    """
    found = _Found(recipe)
    data = [read for source in recipe.data if (read := _read(source, found))]
    validation = [read for source in recipe.validation if (read := _read(source, found))]
    # Of what there is, lengths and costs are told all the same.
    there = recipe.model_copy(
        update={"data": tuple(own for own, _ in data), "validation": tuple(own for own, _ in validation)}
    )
    if data:
        try:
            with gathering_unusable():  # a new model reads the sources once more: all of that is known
                _check_use(there, [e for _, e in data], [e for _, e in validation], found)
        except InputError as error:  # no such model, or one that cannot be shown these data
            found.add(error)
    found.show_list()
    if found.problems:
        raise InputError("; ".join(dict.fromkeys(found.problems)))
    out.print("nothing is wrong: training can start")


class _Found:
    """What is wrong, for the end.

    Attributes:
        problems: a line for every sort.
        listed: every missing or damaged file or row by itself, and what is left out; each once, whatever
            sources have it.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.problems: list[str] = []
        self.listed: dict[str, None] = {}

    def add(self, error: InputError) -> None:
        """An error, with all that it lists."""
        self.problems.append(str(error))
        self.listed |= dict.fromkeys(error.problems)

    def show_list(self) -> None:
        """Print the list; of a long one its beginning, and all of it goes to a file."""
        lines = list(self.listed)
        for line in lines[:_LISTED]:
            out.print(f"  {line}")
        if len(lines) > _LISTED:
            path = writable_folder(self.recipe.output) / LIST
            write(path, "\n".join(lines) + "\n")
            out.print(f"  and {len(lines) - _LISTED} more; {path} lists them all")


def _read(source: DataSource, found: _Found) -> tuple[DataSource, list[Example]] | None:
    """A source's examples, each of whose files has been looked at; None where they cannot be read."""
    root, recipe = source.root, found.recipe
    with gathering_unusable() as unusable:
        try:
            examples = read_source(source, labels=recipe.dense_weight > 0)
        except InputError as error:
            found.add(error)
            found.listed |= dict.fromkeys(unusable.damaged)
            return None
    with progress(f"reading {root}") as update:
        report = check_examples(
            examples,
            full=True,
            one_size=False,
            read_label_map=read_labels,
            progress=update,
            unusable=unusable,
        )
    first, *wrong = report.lines()
    out.print(f"{root}: {first}")
    out.print(_sample(examples[0]))
    for line in report.left_out_lines():
        out.print(f"  {line}")
    found.problems += [f"{root}: {line}" for line in wrong]
    found.listed |= dict.fromkeys(report.every_line())
    return source, examples


def _sample(example: Example) -> str:
    """One question and its answer, as it will be learned."""
    turn = example.conversations[0][0]
    question, answer = (shorten(text, 90, placeholder=" ...") for text in (turn.question, turn.answer))
    return f"  such as {example.example_id}: {question} -> {answer}"


def _check_use(
    recipe: Recipe, data: Sequence[list[Example]], validation: Sequence[list[Example]], found: _Found
) -> None:
    """Print lengths and costs, of what the model can be shown."""
    config, processor = _model(recipe)
    sources = open_sources(recipe, recipe.data, processor, read=data)
    held_out = open_sources(recipe, recipe.validation, processor, held_out=True, read=validation)
    clips = [len(source) for source in sources]
    if not recipe.answer_weight:
        out.print(f"{sum(clips)} pictures with label maps, one tile each; the language model is not run")
        shown = Shown(tokens=0.0, tiles=1.0, most_tokens=0, most_tiles=1)
        print_costs(recipe, config, clips, shown, HeldOut(sum(map(len, held_out)), tiles=1.0))
        return
    asked = [source for source in (*sources, *held_out) if isinstance(source, QuestionClips)]
    lengths = [measure(source) for source in asked]
    for of_source in lengths:
        told = some(of_source.unasked, "; "), of_source.problem(recipe, config.context_length)
        found.problems += filter(None, told)
        found.listed |= dict.fromkeys(of_source.unasked)
    counted = [(s, x) for s, x in zip(asked, lengths, strict=True) if len(x.passes)]
    if not all(len(x.passes) for x in lengths[: len(sources)]):
        return  # nothing of a source can be shown, and there is no telling how long it is
    _print_lengths(counted, config)
    own, others = lengths[: len(sources)], lengths[len(sources) :]
    print_costs(recipe, config, clips, _shown(recipe, clips, own), _held_out(recipe, held_out, others))


def _shown(recipe: Recipe, clips: Sequence[int], lengths: Sequence[Lengths]) -> Shown:
    weights = np.array(draw_weights(recipe, clips))
    shares = weights / weights.sum()
    return Shown(
        tokens=float(sum(s * x.passes.mean() for s, x in zip(shares, lengths, strict=True))),
        tiles=float(sum(s * x.tiles.mean() for s, x in zip(shares, lengths, strict=True))),
        most_tokens=max(int(x.passes.max()) for x in lengths),
        most_tiles=max(int(x.tiles.max()) for x in lengths),
    )


def _held_out(
    recipe: Recipe, sources: Sequence[LabelledFrames | QuestionClips], lengths: Sequence[Lengths]
) -> HeldOut:
    if not sources:
        return HeldOut()
    passes, tiles = (np.concatenate([getattr(x, name) for x in lengths]) for name in ("passes", "tiles"))
    shown = sum(bool(example.pictures) for example in sources[0].examples)
    return HeldOut(
        clips=len(passes),
        tokens=float(passes.mean()) if len(passes) else 0.0,
        tiles=float(tiles.mean()) if len(tiles) else 0.0,
        answers=0 if recipe.sharded else min(SAMPLES, shown),
    )


def _model(recipe: Recipe) -> tuple[LeoConfig, LeoProcessor]:
    if recipe.model in NEW_MODELS:
        leo, processor = NEW_MODELS[recipe.model](texts(recipe))
        config = leo.config
    else:
        processor = open_processor(recipe.model)
        config = processor.leo
    apply_settings(recipe, config, processor)
    return config, processor


def _print_lengths(counted: Sequence[tuple[QuestionClips, Lengths]], config: LeoConfig) -> None:
    passes = np.concatenate([x.passes for _, x in counted])
    counts, edges = np.histogram(passes, bins=_BINS)
    table = Table("tokens a pass", "examples", "", title=None, box=None)
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        table.add_row(f"{low:.0f} to {high:.0f}", str(count), "█" * round(_BAR * count / counts.max()))
    print_table(table, out)
    for source, x in counted:
        root = source.source.root
        out.print(
            f"{root}: {_range(x.frames)} frames and {x.tiles.mean():.1f} tiles x "
            f"{config.tokens_per_tile} tokens an example, {x.passes.mean():.0f} tokens a pass; the longest "
            f"conversation takes {x.longest_alone} ({x.longest.removeprefix(f'{root}, ')})"
        )


def _range(ends: tuple[int, int]) -> str:
    return f"{ends[0]}" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
