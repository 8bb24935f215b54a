"""The answers are true: of the pixels, of the world, and of a world that is changed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from leo_drive.data.closed import read_value
from leo_drive.data.synthetic import CHOICES, LABELS, OPEN_KINDS, clip_of, labels, sample_drive
from leo_drive.data.synthetic.ego import NOW
from leo_drive.data.synthetic.facts import HIDDEN, gather, side_of
from leo_drive.data.synthetic.questions import COUNTS, ask
from leo_drive.data.synthetic.render import render
from leo_drive.data.synthetic.traffic import COLOURS
from tests.synthetic.conftest import SMALL

PEOPLE = {"pedestrian": labels.PEDESTRIAN, "cyclist": labels.CYCLIST}


def value_of(questions, kind, subject=""):
    return next((q.value for q in questions if (q.kind, q.subject) == (kind, subject)), None)


def test_a_frame_is_a_picture_with_its_maps(scenes):
    for _, frame, _, _ in scenes[:20]:
        assert frame.image.shape == (SMALL[1], SMALL[0], 3) and frame.image.dtype == np.uint8
        assert frame.labels.shape == frame.instances.shape == (SMALL[1], SMALL[0])
        assert frame.labels.dtype == np.uint8 and frame.instances.dtype == np.int32
        assert frame.labels.max() < len(LABELS)
        assert frame.image.std() > 4


def test_presence_and_counts_agree_with_the_maps(scenes):
    """Recounted from label and instance maps alone, by other means than the facts use."""
    checked = 0
    for _, frame, _, questions in scenes:
        for subject, label in PEOPLE.items():
            present = value_of(questions, "presence", subject)
            pixels = np.count_nonzero(frame.labels == label) / frame.labels.size
            assert present != "yes" or pixels > 0.0008
            assert present != "no" or pixels < 3 * HIDDEN
            number = value_of(questions, "count", subject)
            if number is not None and number != "four or more":
                found = set(frame.instances[frame.labels == label].tolist())
                large = {
                    i for i in found if np.count_nonzero(frame.instances == i) > HIDDEN * frame.labels.size
                }
                assert COUNTS[len(large)] == number
                checked += 1
    assert checked > 60


def test_a_bicycle_without_a_rider_is_nobody(scenes):
    """Nor is there none, where the question asks for bicycles too."""
    leaning = 0
    for drive, frame, _, questions in scenes:
        actors = {a.instance: a.kind for a in drive.actors}
        shown = {
            actors[int(i)]
            for i in np.unique(frame.instances)
            if int(i) in actors and np.count_nonzero(frame.instances == i) > HIDDEN * frame.labels.size
        }
        if "bicycle" not in shown:
            continue
        leaning += 1
        told = {q.kind: q.value for q in questions if q.subject == "cyclist"}
        assert not set(told) & {"count", "side"}
        if "cyclist" not in shown:
            assert not told and not any("cyclist" in q.answer for q in questions if q.kind != "which_hazard")
        else:
            assert told.get("presence") != "no" and told.get("absence") != "yes"
    assert leaning >= 5


def test_sides_agree_with_the_maps(scenes):
    checked = 0
    for _, frame, _, questions in scenes:
        for subject, label in PEOPLE.items():
            side = value_of(questions, "side", subject)
            columns = np.flatnonzero((frame.labels == label).any(axis=0)) / frame.labels.shape[1]
            if side in ("left", "right"):
                assert (np.median(columns) < 0.5) == (side == "left")
                checked += 1
    assert checked > 20


def test_the_traffic_light_is_the_one_that_is_drawn(scenes):
    lamps = {"red": labels.LIGHT_RED, "amber": labels.LIGHT_AMBER, "green": labels.LIGHT_GREEN}
    told = set()
    for _, frame, _, questions in scenes:
        value = value_of(questions, "traffic_light")
        for name, label in lamps.items():
            if value is not None:
                assert (np.count_nonzero(frame.labels == label) > 0) == (name == value)
                told.add(value)
    assert told == {"red", "amber", "green", "none"}


def test_another_light_changes_the_answer_and_only_the_light(scenes):
    drive = next(d for d, _, f, _ in scenes if f.light == "red")
    before = render(drive, NOW, SMALL)
    for state in ("green", "amber", "red"):
        changed = replace(drive, light=((-9.0, state),))
        after = render(changed, NOW, SMALL)
        assert value_of(ask(gather(changed, after)), "traffic_light") == state
        same = before.labels == after.labels
        assert same.mean() > 0.98


def test_mirrored_turns_turn_the_other_way():
    seen = set()
    for seed in range(400):
        drive = sample_drive(seed)
        if not drive.situation.startswith("turn") or drive.situation in seen:
            continue
        made = clip_of(drive, (128, 72))
        value = value_of(made.questions, "ego_motion")
        if value is None:
            continue
        seen.add(drive.situation)
        assert value == drive.situation.replace("turn_", "turning ")
        path = drive.ego.path
        mirrored = replace(path, xy=path.xy * (-1, 1), heading=-path.heading)
        other = clip_of(replace(drive, ego=replace(drive.ego, path=mirrored)), (128, 72))
        assert (
            value_of(other.questions, "ego_motion")
            == {
                "turning left": "turning right",
                "turning right": "turning left",
            }[value]
        )
        if len(seen) == 2:
            return
    pytest.fail(f"only {seen} came up")


def test_a_stopped_clip_stands_still_and_a_moving_one_does_not(scenes):
    drive = next(d for d, _, _, q in scenes if value_of(q, "ego_motion") == "stopped")
    assert drive.ego.at(0.0) == pytest.approx(drive.ego.at(4.0))
    drive = next(d for d, _, _, q in scenes if value_of(q, "ego_motion") == "straight")
    assert np.hypot(*np.subtract(drive.ego.at(0.0)[:2], drive.ego.at(4.0)[:2])) > 12


def test_brake_lamps_are_lit_where_braking_is_said(scenes):
    said = set()
    for _, frame, facts, questions in scenes:
        value = value_of(questions, "lead_braking")
        if value is None:
            continue
        said.add(value)
        lit = (frame.labels == labels.BRAKE_LAMP) & (frame.instances == facts.lead.seen.instance)
        assert lit.any() == (value == "yes")
    assert said == {"yes", "no"}


def test_getting_closer_is_seen_as_getting_larger(scenes):
    checked = 0
    for drive, frame, facts, questions in scenes:
        value = value_of(questions, "approaching")
        if value is None or checked >= 12:
            continue
        first = render(drive, 0.0, SMALL)
        sizes = [np.count_nonzero(f.instances == facts.lead.seen.instance) for f in (first, frame)]
        assert (sizes[1] > 1.2 * sizes[0]) == (value == "yes")
        checked += 1
    assert checked > 5


def test_what_is_asked_has_a_value_among_its_choices(scenes):
    for *_, questions in scenes:
        keys = [(q.kind, q.subject) for q in questions]
        assert len(keys) == len(set(keys)), "a question came twice"
        for q in questions:
            assert q.text and q.answer and q.answer[0].isupper()
            if q.kind in OPEN_KINDS:
                assert q.choices == () and q.value == ""
            else:
                assert q.value in q.choices and set(q.choices) <= set(CHOICES[q.kind])


def test_every_answer_reads_back_to_its_value(scenes):
    for *_, questions in scenes:
        for q in questions:
            if q.choices:
                assert read_value(q.answer, q.choices) == q.value, q


def test_the_nearest_on_a_side_is_the_largest_there_and_has_its_paint(scenes):
    checked = 0
    for _, frame, facts, questions in scenes:
        for side in ("left", "right"):
            colour = value_of(questions, "colour", side)
            if colour is None:
                continue
            there = [s for s in facts.of("vehicle") if s.share > HIDDEN and side_of([s]) == side]
            nearest = min(there, key=lambda s: s.gap)
            assert nearest.actor.colour_name == colour
            painted = (frame.instances == nearest.instance) & (frame.labels == labels.PAINTED[colour])
            body = frame.image[painted]
            assert len(body)
            if colour in ("red", "blue"):
                warmth = body[:, 0].astype(int) - body[:, 2]
                low, high = np.percentile(warmth, (10, 90))
                assert (high > 20) if colour == "red" else (low < -20)
                checked += 1
    assert checked > 3


def test_objects_are_listed_with_their_sides(scenes):
    listed = 0
    for _, _, facts, questions in scenes:
        for q in (q for q in questions if q.kind == "objects"):
            groups = ("vehicle",) if q.subject == "vehicles" else ("pedestrian", "cyclist")
            plain = [s for group in groups for s in facts.of(group) if s.plain]
            if not plain:
                assert q.answer == f"There are no {q.subject}."
                continue
            sentences = q.answer.removesuffix(".").split(". ")
            assert len(sentences) == min(4, len(plain))
            for sentence, seen in zip(sentences, sorted(plain, key=lambda s: s.gap), strict=False):
                assert (f"on the {side_of([seen])}" if side_of([seen]) else "ahead") in sentence
                listed += 1
    assert listed > 30


def test_every_paint_has_its_class():
    assert tuple(labels.PAINTED) == COLOURS
    assert len(LABELS) == len(labels.COARSE) == len(labels.PALETTE)
    assert {labels.COARSE[number] for number in labels.PAINTED.values()} == {labels.VEHICLE}
