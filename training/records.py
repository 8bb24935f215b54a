"""What a run writes down as it goes: a table, TensorBoard, answers to look at, and a plot at the end.

Under the recipe's output: `log.csv`, `tensorboard/`, `samples.csv` and `loss.png`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pandas as pd
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from leo_drive.errors import LeoDriveError
from leo_drive.evaluation.answering import clip_of
from leo_drive.files import replacing, write
from leo_drive.inference import Leo
from training.data import QuestionClips

logger = logging.getLogger("leo_drive")

_FEW = 8
SAMPLES = 12
"""Questions that are answered at each validation, at most."""


class Records(TrainerCallback):
    """log.csv, TensorBoard and loss.png, all from the trainer's own history, which its checkpoints keep."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.writer: SummaryWriter | None = None
        self.last = (0, 0.0)
        self.paused = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            # What a run that was stopped wrote after its last checkpoint is not part of the curve.
            self.writer = SummaryWriter(str(self.output / "tensorboard"), purge_step=state.global_step + 1)
        self.last = (state.global_step, time.perf_counter())
        # The run's own wishes, of which Trainer would go on with those that its checkpoint was written with.
        state.logging_steps, state.save_steps = int(args.logging_steps), int(args.save_steps)
        state.eval_steps = int(args.eval_steps or 0)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Validation, samples and checkpoints come right after a record, and are no part of the next one's.
        if self.paused:
            self.last, self.paused = (state.global_step, time.perf_counter()), False

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.paused = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.paused = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # A record before every checkpoint, so that none is half before and half after it; the best one so far
        # is kept after any validation.
        control.should_log |= control.should_save or control.should_evaluate

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero or self.writer is None:
            return
        entry = state.log_history[-1]
        if "loss" in entry:
            (before, then), now = self.last, time.perf_counter()
            clips = (state.global_step - before) * self._clips_a_step(args)
            entry["clips_per_second"] = clips / (now - then)
            if "answers" in entry:
                entry["answers_per_second"] = entry["answers"] / (now - then)
            self.last = (state.global_step, now)
        for name, value in entry.items():
            if isinstance(value, int | float) and name not in ("step", "epoch"):
                self.writer.add_scalar(name, value, state.global_step)
        write(self.output / "log.csv", history(state).to_csv(index=False))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and self.writer is not None:
            self.writer.close()
            plot_losses(history(state), self.output / "loss.png")

    @staticmethod
    def _clips_a_step(args: TrainingArguments) -> int:
        return args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size


def history(state: TrainerState) -> pd.DataFrame:
    """One row a recorded step: its losses, learning rate, throughput, and validation where there was one."""
    rows: dict[float, dict[str, Any]] = {}
    for entry in state.log_history:
        rows.setdefault(entry["step"], {"step": entry["step"]}).update(entry)
    return pd.DataFrame(list(rows.values())).drop(columns=["epoch"], errors="ignore")


def plot_losses(table: pd.DataFrame, path: Path) -> None:
    """The losses over the steps, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    names = {"loss": "all", "answer_loss": "answers", "dense_loss": "label maps", "eval_loss": "held out"}
    shown = {name: label for name, label in names.items() if name in table and table[name].notna().any()}
    if set(shown) & {"answer_loss", "dense_loss"} and len(set(shown) - {"eval_loss"}) == 2:
        del shown["loss"]  # one loss alone is all there is
    for name, label in shown.items():
        known = table[table[name].notna()]
        few = len(known) < _FEW or name == "eval_loss"  # a line of one point is none
        axes.plot(known.step, known[name], label=label, marker="o" if few else None, ms=4)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


class SampleAnswers(TrainerCallback):
    """At each validation, the model's own answers to the same few questions: samples.csv and TensorBoard."""

    def __init__(self, leo: Leo, data: QuestionClips, records: Records) -> None:
        self.leo, self.records, self.path = leo, records, records.output / "samples.csv"
        self.max_tiles = data.source.max_tiles
        chosen = data.examples[:: max(1, len(data.examples) // SAMPLES)][:SAMPLES]
        self.asked = [
            # What begins a conversation: what follows up on it could not be answered without it.
            (e, e.conversations[i % len(e.conversations)][0])
            for i, e in enumerate(chosen)
            # A clip's frames have one size; pictures of a conversation need not.
            if e.pictures and (e.names or len({picture.size() for picture in e.pictures}) == 1)
        ]

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        rows = []
        for example, qa in self.asked:
            clip = clip_of(example, len(example.pictures))
            question = self.leo.processor.as_plain_text(qa.question)
            try:
                answer = self.leo.ask(clip, question, max_tiles=self.max_tiles)
                said, confidence = answer.text, answer.confidence
            except LeoDriveError as error:  # too long to be asked, say; training must not end for it
                said, confidence = f"(not asked: {error})", None
            rows.append((state.global_step, qa.question, qa.answer, said, confidence))
        table = pd.DataFrame(rows, columns=["step", "question", "reference", "answer", "confidence"])
        if self.records.writer is not None:
            lines = [f"{r.question} **{r.answer}** ({r.reference})" for r in table.itertuples()]
            self.records.writer.add_text("answers", "  \n".join(lines), state.global_step)
        table = pd.concat([self._earlier(state.global_step), table])
        with replacing(self.path) as unfinished:
            table.to_csv(unfinished, index=False)

    def _earlier(self, step: int) -> pd.DataFrame:
        """The answers before a step; none, and a warning, where the file is no such table any more."""
        if not self.path.is_file():
            return pd.DataFrame()
        try:
            earlier = pd.read_csv(self.path, keep_default_na=False)
            return earlier[earlier["step"] < step]
        except (ValueError, KeyError, TypeError):
            logger.warning("%s: damaged; begun anew", self.path)
            return pd.DataFrame()
