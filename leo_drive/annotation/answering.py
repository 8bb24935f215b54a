"""From a batch of windows to the rows of the table."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from leo_drive.annotation.feed import Pending
from leo_drive.annotation.job import Job
from leo_drive.annotation.questions import Question
from leo_drive.annotation.store import FAILED, NOT_ASKED, OK, SKIPPED, Row
from leo_drive.annotation.values import value_of
from leo_drive.errors import DeviceMemoryError
from leo_drive.inference import Answer, Leo
from leo_drive.inference.many import ClipBatch


def answer(leo: Leo, items: Sequence[Pending], job: Job) -> list[Row]:
    """One row a question of every window, in the windows' order.

    Windows of as many tiles share their batches; what is only asked where an earlier answer allows it follows
    in further batches on the same prefixes.

    Raises:
        DeviceMemoryError: a single window does not fit the device's memory.
    """
    groups: dict[tuple, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        if item.prepared is not None:
            groups[item.prepared.plan.tiles, item.prepared.clip.names].append(i)
    answered: dict[tuple[int, str], Row] = {}
    for members in groups.values():
        rows = _ask_together(leo, [items[i] for i in members], job)
        answered.update({(members[k], question_id): row for (k, question_id), row in rows.items()})
    questions = job.questions.by_id()
    return [
        answered.get((i, question_id)) or _without_answer(item, questions[question_id], job)
        for i, item in enumerate(items)
        for question_id in item.question_ids
    ]


def _ask_together(leo: Leo, items: list[Pending], job: Job) -> dict[tuple[int, str], Row]:
    """Rows by (number of the window, question id)."""
    start = time.perf_counter()
    try:
        batch = ClipBatch(leo, [item.prepared for item in items if item.prepared is not None])
    except DeviceMemoryError:
        if len(items) == 1:
            raise
        half = len(items) // 2
        first, second = _ask_together(leo, items[:half], job), _ask_together(leo, items[half:], job)
        return {**first, **{(k + half, question_id): row for (k, question_id), row in second.items()}}
    shared = time.perf_counter() - start
    questions = job.questions.by_id()
    values = [dict(item.known) for item in items]
    left = [list(item.question_ids) for item in items]
    asked: dict[tuple[int, str], tuple[Answer, float]] = {}
    rows: dict[tuple[int, str], Row] = {}
    while any(left):
        wave: list[tuple[int, Question]] = []
        for k, ids in enumerate(left):
            for question_id in list(ids):
                question = questions[question_id]
                if not question.ask_if.keys() <= values[k].keys():
                    continue  # what it depends on is still to be asked
                ids.remove(question_id)
                if all(values[k][i] == value for i, value in question.ask_if.items()):
                    wave.append((k, question))
                else:
                    values[k][question_id] = None
                    rows[k, question_id] = _row(items[k], question, job, NOT_ASKED)
        began = time.perf_counter()
        answers = batch.ask([(k, question.text) for k, question in wave], job.asking.max_new_tokens)
        each = (time.perf_counter() - began) / max(1, len(wave))
        for (k, question), given in zip(wave, answers, strict=True):
            values[k][question.id] = value_of(question, given.text)
            asked[k, question.id] = (given, each)
    for (k, question_id), (given, seconds) in asked.items():
        row = _row(items[k], questions[question_id], job, OK)
        value = values[k][question_id]
        row |= {
            # Of cameras asked together each has times of its own; those that were asked for stay.
            "frame_times": row["frame_times"] if batch.clips[k].names else list(given.timestamps),
            "answer": given.text,
            "value": value,
            "readable": None if questions[question_id].kind == "free" else value is not None,
            "complete": given.complete,
            "confidence": round(given.confidence, 4),
            "seconds": round(seconds + shared / len(asked), 6),
        }
        rows[k, question_id] = row
    return rows


def _without_answer(item: Pending, question: Question, job: Job) -> Row:
    if item.repeats is not None:
        return _row(item, question, job, SKIPPED) | {"repeats_s": item.repeats}
    return _row(item, question, job, FAILED) | {"error": item.error}


def _row(item: Pending, question: Question, job: Job, status: str) -> Row:
    window = item.window
    return {
        "log": item.log,
        "camera": item.camera,
        "window_index": window.index if window else None,
        "log_windows": item.windows,
        "start_s": window.start if window else None,
        "end_s": window.end if window else None,
        "frame_times": list(window.times) if window else None,
        "question_id": question.id,
        "question": question.text,
        "kind": question.kind,
        "status": status,
        "model": job.model,
        "model_hash": job.model_hash,
        "settings_hash": job.settings_hash,
    }
