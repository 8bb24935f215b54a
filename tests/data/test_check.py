"""Everything missing or damaged, told together."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from leo_drive.clips.image_file import ImageFolder
from leo_drive.data.check import check_examples
from leo_drive.data.example import Example, Picture, QuestionAnswer
from leo_drive.data.unusable import Unusable
from leo_drive.errors import InputError
from tests.data.pictures import jpeg, pack, write


@pytest.fixture
def examples(tmp_path):
    write(tmp_path, {f"{i}.jpg": jpeg(10 * i) for i in range(8)})
    write(tmp_path, {f"maps/{i}.png": jpeg(10 * i) for i in range(8)})
    asked = ((QuestionAnswer("q", "What?", "That."),),)
    return [
        Example(
            f"e{i}",
            (Picture(tmp_path / f"{i}.jpg"), Picture(tmp_path / f"{i + 1}.jpg")),
            asked,
            label_maps=(Picture(tmp_path / f"maps/{i}.png"),),
        )
        for i in range(7)
    ]


@pytest.mark.parametrize("full", [False, True])
def test_all_is_well(examples, full):
    steps = []
    report = check_examples(examples, full=full, threads=3, progress=lambda *at: steps.append(at))
    assert report.ok and report.lines() == ["7 examples, 7 questions, 8 pictures: nothing missing"]
    assert steps == [(i, 15) for i in range(1, 16)]


def test_the_missing_are_counted_and_the_first_named(examples, tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.jpg").unlink()
    (tmp_path / "maps/3.png").unlink()
    report = check_examples(examples)
    assert not report.ok
    assert report.lines() == [
        "7 examples, 7 questions, 8 pictures",
        f"5 pictures missing: {tmp_path}/0.jpg, {tmp_path}/1.jpg, {tmp_path}/2.jpg, and 2 more",
        f"1 label maps missing: {tmp_path}/maps/3.png",
    ]
    # All of them for who asks; where the lines name them all there is no more to say.
    names = [f"pictures missing: {tmp_path}/{i}.jpg" for i in range(5)]
    assert report.whole_list() == [*names, f"label maps missing: {tmp_path}/maps/3.png"]
    assert check_examples(examples[2:]).whole_list() == []


def test_of_an_archive_in_which_nothing_is_found_it_is_said_what_it_has(examples, tmp_path):
    pack(tmp_path / "a.zip", {"6.jpg": jpeg(60)})
    pack(tmp_path / "b.zip", {"elsewhere/6.jpg": jpeg(60)})
    shown = [(Picture(tmp_path / f"{a}.zip", f"{i}.jpg"),) for a in "ab" for i in (6, 7)]
    report = check_examples([replace(e, pictures=p) for e, p in zip(examples, shown, strict=False)])
    missing = f"{tmp_path}/a.zip:7.jpg, {tmp_path}/b.zip:6.jpg, {tmp_path}/b.zip:7.jpg"
    assert report.lines()[1:] == [
        f"3 pictures missing: {missing}",
        f"1 archives with other names: {tmp_path}/b.zip has names such as elsewhere/6.jpg",
    ]


def test_only_the_full_check_opens_pictures(examples, tmp_path):
    (tmp_path / "2.jpg").write_bytes(jpeg(20)[:300])
    (tmp_path / "6.jpg").write_bytes(b"")
    (tmp_path / "4.jpg").write_bytes(jpeg(40, (64, 48)))
    assert check_examples(examples).ok
    problems = check_examples(examples, full=True).problems
    assert sorted(problems) == ["examples with pictures of different sizes", "pictures damaged"]
    assert problems["examples with pictures of different sizes"] == ["e3", "e4"]
    assert [line.split(":")[0] for line in problems["pictures damaged"]] == [
        f"{tmp_path}/2.jpg",
        f"{tmp_path}/6.jpg",
    ]


def test_archives(tmp_path):
    pack(tmp_path / "good.zip", {"0.jpg": jpeg(0)})
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    asked = ((QuestionAnswer("q", "What?", "That."),),)
    names = [("good", "0.jpg"), ("good", "1.jpg"), ("bad", "0.jpg"), ("bad", "1.jpg"), ("none", "0.jpg")]
    examples = [Example(f"{a}{m}", (Picture(tmp_path / f"{a}.zip", m),), asked) for a, m in names]
    report = check_examples(examples)
    assert report.problems == {
        "archives that cannot be read": [
            f"{tmp_path}/bad.zip: not a zip archive, or cut off; download or copy it again"
        ],
        "pictures missing": [f"{tmp_path}/good.zip:1.jpg", f"{tmp_path}/none.zip:0.jpg"],
    }


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        ((6, 8), 1, "is encrypted"),
        ((8, 10), 9, r"is packed in a way that Python cannot read \(Deflate64\)"),
    ],
)
def test_an_archive_that_python_cannot_unpack_is_told_once(tmp_path, at, value, reason):
    archive = tmp_path / "images.zip"
    pack(archive, {f"{i}.jpg": jpeg(10 * i) for i in range(5)})
    changed = bytearray(archive.read_bytes())
    # In every member's own header and in the table of contents.
    for start, offset in zip((b"PK\3\4", b"PK\1\2"), at, strict=True):
        for found in re.finditer(start, archive.read_bytes()):
            changed[found.start() + offset] = value
    archive.write_bytes(changed)
    asked = ((QuestionAnswer("q", "What?", "That."),),)
    examples = [Example(f"e{i}", (Picture(archive, f"{i}.jpg"),), asked) for i in range(5)]
    for full in (False, True):
        problems = check_examples(examples, full=full).problems
        assert list(problems) == ["archives that cannot be read"]
        (line,) = problems["archives that cannot be read"]
        assert re.fullmatch(rf"{archive}: {reason}; unpack it where it lies", line)
    with pytest.raises(InputError, match=f"^{archive}: {reason}"):
        examples[0].pictures[0].read()
    # As it says.
    write(tmp_path, {f"{i}.jpg": jpeg(10 * i) for i in range(5)})
    assert all(ImageFolder(tmp_path).find(f"{i}.jpg").exists() for i in range(5))


def test_what_the_reader_passed_over_is_told_too(examples, tmp_path):
    left_out = {"questions without an answer": [f"a.json: row {i}" for i in range(4)]}
    report = check_examples(examples, unusable=Unusable(left_out))
    assert report.ok and report.lines() == ["7 examples, 7 questions, 8 pictures: nothing missing"]
    said = "left out: 4 questions without an answer: a.json: row 0, a.json: row 1, a.json: row 2, and 1 more"
    assert report.left_out_lines() == [said]
    assert report.whole_list() == [
        f"left out: questions without an answer: a.json: row {i}" for i in range(4)
    ]
    (tmp_path / "0.jpg").unlink()
    report = check_examples(examples, unusable=Unusable(damaged=["a.json: row 7: question 0 is empty"]))
    assert not report.ok and report.lines()[1:] == [
        "1 entries damaged: a.json: row 7: question 0 is empty",
        f"1 pictures missing: {tmp_path}/0.jpg",
    ]


def test_examples_that_ask_nothing(examples):
    report = check_examples([examples[0], replace(examples[1], conversations=())])
    assert report.problems == {"examples without questions": ["e1"]}
