"""LLaVA's conversations as examples."""

from __future__ import annotations

import json
import re

import pytest

from leo_drive.data.llava import DESCRIBE, read_llava
from leo_drive.data.unusable import gathering_unusable
from leo_drive.errors import InputError
from leo_drive.model.processor import frame_lines
from tests.data.pictures import jpeg, pack, shade, write


def turns(*values, first="human"):
    speakers = ("human", "gpt") if first == "human" else ("gpt", "human")
    return [{"from": speakers[i % 2], "value": value} for i, value in enumerate(values)]


ROWS = [
    {
        "id": "7",
        "image": "a/7.jpg",
        "conversations": turns("<image>\nWhat is this?", "A tram.", "How many?", "One."),
    },
    {
        "id": 8,
        "images": ["8.jpg", "9.jpg"],
        "conversations": turns("<image>\n<image>\nWhich is darker?", "The first."),
    },
    {"id": "7", "conversations": [{"from": "system", "value": "Be brief."}, *turns("Hello?", "Hi.")]},
    {"image": ["8.jpg"], "conversations": turns("What is that? <image>", "A bus.")},
]
IMAGES = {"a/7.jpg": jpeg(70), "8.jpg": jpeg(80), "9.jpg": jpeg(90)}


def save(folder, rows=ROWS, name="chat.json"):
    lines = name in ("chat.jsonl", "lines.json")
    text = "\n\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["chat.json", "chat.jsonl", "lines.json", "list.jsonl"])
@pytest.mark.parametrize("where", ["root", "images", "images.zip", "zip named", "folder named"])
def test_rows(tmp_path, name, where):
    root, options = save(tmp_path / "llava", name=name), {}
    if where == "images.zip":
        pack(root / "images.zip", {f"images/{n}": data for n, data in IMAGES.items()})
    elif where == "zip named":
        pack(root / "cc3m.zip", IMAGES)
        options["images"] = "cc3m.zip"
    elif where == "folder named":
        write(tmp_path / "elsewhere", IMAGES)
        options["images"] = tmp_path / "elsewhere"
    else:
        write(root / "images" if where == "images" else root, IMAGES)
    one, several, text, last = read_llava(root, **options)
    assert [e.example_id for e in (one, several, text, last)] == ["7", "8", "7#2", "3"]
    assert [shade(p.read()) for p in one.pictures + several.pictures + last.pictures] == [70, 80, 90, 80]
    assert len(one.conversations) == 1
    assert [(q.question, q.answer) for q in one.conversations[0]] == [
        ("What is this?", "A tram."),
        ("How many?", "One."),
    ]
    assert several.questions[0].question == "Which is darker?"
    assert text.pictures == () and text.system == "Be brief." and one.system is None
    assert last.questions[0].question == "What is that?"
    ids = [q.question_id for e in (one, several, text, last) for q in e.questions]
    assert len(set(ids)) == len(ids) == 5


@pytest.mark.parametrize("where", ["root", "root zip", "bare zip"])
def test_names_may_begin_with_the_folder_of_the_images(tmp_path, where):
    rows = [
        {"image": f"{head}{name}", "conversations": turns("<image>\nWhat?", "A tram.")}
        for name in IMAGES
        for head in ("", "images/")
    ]
    root = save(tmp_path / "llava", rows)
    if where == "root":
        write(root / "images", IMAGES)
    else:
        head = "images/" if where == "root zip" else ""
        pack(root / "images.zip", {head + name: data for name, data in IMAGES.items()})
    assert [shade(e.pictures[0].read()) for e in read_llava(root)] == [70, 70, 80, 80, 90, 90]


def test_an_image_that_is_missing_is_named_where_the_images_are(tmp_path):
    root = save(tmp_path / "llava")
    write(root / "images", {"8.jpg": jpeg(80)})
    (picture,) = read_llava(root)[0].pictures
    where = re.escape(f"a/7.jpg (looked for in {root} and {root}/images): no such image")
    with pytest.raises(InputError, match=f"^{where}$"):
        picture.read()
    write(root, {"a/7.jpg": jpeg(70)})
    assert picture.exists()


def test_what_nobody_asked_or_answered_is_left_out(tmp_path):
    rows = [{"id": "1", "conversations": turns("Welcome.", "Hello?", "Hi.", "And?", first="gpt")}]
    (example,) = read_llava(save(tmp_path, rows))
    assert [(q.question, q.answer) for q in example.questions] == [("Hello?", "Hi.")]


@pytest.mark.parametrize(
    "row, message",
    [
        (
            {"image": "7.jpg", "conversations": turns("Hello?", "Hi.", "<image> What?")},
            "0 <image> in the questions but 1 images",
        ),
        ({"conversations": turns("<image> What?", "A tram.")}, "1 <image> in the questions but 0 images"),
        (
            {"images": ["7.jpg", "8.jpg"], "conversations": turns("What? <image>", "A tram.")},
            "1 <image> in the",
        ),
        (
            {
                "images": ["7.jpg", "8.jpg"],
                "conversations": turns("Hello?", "Hi.", "<image>\nWhat?", "A tram."),
            },
            "1 <image> in the",
        ),
        (
            {"image": "7.jpg", "conversations": turns("<image>\nWhat?", "An <image>.")},
            "answer 0 has a <image>",
        ),
        ({"conversations": turns("What is it?\n<image>", "A tram.")}, "1 <image> in the questions but 0 im"),
        ({"conversations": turns("What?", "")}, "answer 0 is empty"),
        ({"conversations": turns(" \n", "A tram.")}, "question 0 is empty"),
        ({"image": "7.jpg", "conversations": turns("<image>", "A tram.", "", "Red.")}, "question 1 is empty"),
        ({"conversations": []}, "no question with an answer"),
        (
            {"conversations": [*turns("What?", "A."), *turns("B.", first="gpt")]},
            "turn 2 is from 'gpt', where 'human'",
        ),
        ({"conversations": [{"from": "bot", "value": "x"}]}, "turn 0 is from 'bot', where 'human' is due"),
    ],
)
@pytest.mark.parametrize("name", ["chat.json", "chat.jsonl"])
def test_wrong_rows_are_named(tmp_path, row, message, name):
    root = save(tmp_path, [ROWS[2], {"id": "x1", **row}], name)
    with pytest.raises(InputError) as refused:
        read_llava(root)
    assert f"{name}: row 1 (id x1): {message}" in str(refused.value)


def test_a_text_may_be_about_the_word_itself(tmp_path):
    asked, said = "What does the SVG <image> element do?", "An <image> shows a picture, </s> ends nothing."
    (tmp_path / "rows.json").write_text(json.dumps([{"conversations": turns(asked, said)}]))
    (example,) = read_llava(tmp_path)
    assert [(qa.question, qa.answer) for qa in example.questions] == [(asked, said)]


@pytest.mark.parametrize(
    ("asked", "said", "named"),
    [
        (["<image> is in front of <image>, or not?"], ["Frame1 is in front of Frame2, or not?"], True),
        (["Compare <image> with <image>"], ["Compare Frame1 with Frame2"], True),
        (["Image-1: <image>\nImage-2: <image>\nWhich?"], ["Image-1: Frame1\nImage-2: Frame2\nWhich?"], True),
        (["<image>\nWhat?", "<image> And?"], ["Frame1\nWhat?", "Frame2 And?"], True),
        (["<image>\n<image>\nWhich is darker?", "Why?"], ["Which is darker?", "Why?"], False),
        (["Which is darker? <image> <image>"], ["Which is darker?"], False),
        (["<image><image>Which is darker?"], ["Which is darker?"], False),
        (["Which is darker?", "Why?"], ["Which is darker?", "Why?"], False),
        (["<image>\nWhich is darker?", "Why?"], ["Which is darker?", "Why?"], False),
        (["<image> <image>"], [DESCRIBE], False),
    ],
)
def test_a_picture_within_a_sentence_is_called_by_its_name(tmp_path, asked, said, named):
    chat = turns(*(text for ask in asked for text in (ask, "The first.")))
    (example,) = read_llava(save(tmp_path, [{"image": ["8.jpg", "9.jpg"], "conversations": chat}]))
    assert [qa.question for qa in example.questions] == said and len(example.pictures) == 2
    assert example.names == (("Frame1", "Frame2") if named else None)
    # A prompt calls them so, whether told or not.
    assert frame_lines(2, example.names) == "Frame1: <image>\nFrame2: <image>\n"


@pytest.mark.parametrize(
    ("asked", "said", "names"),
    [
        ("What is <image> about?", "What is Frame1 about?", ("Frame1",)),
        ("What is in the picture <image>", "What is in the picture", None),
        ("<image>", DESCRIBE, None),
        ("\n<image>\n", DESCRIBE, None),
        ("", DESCRIBE, None),
        ("What?", "What?", None),
    ],
)
def test_of_one_picture(tmp_path, asked, said, names):
    (example,) = read_llava(save(tmp_path, [{"image": "8.jpg", "conversations": turns(asked, "A bus.")}]))
    assert [qa.question for qa in example.questions] == [said] and example.names == names
    assert [picture.path.name for picture in example.pictures] == ["8.jpg"]


@pytest.mark.parametrize(
    "speakers", [("Human", "GPT"), ("USER", "ASSISTANT"), ("user", "Assistant"), ("HUMAN", "gpt")]
)
def test_speakers_are_written_in_several_ways(tmp_path, speakers):
    said = [{"from": "System", "value": "Be brief."}, *turns("<image>\nWhat?", "A bus.")]
    chat = [
        turn | {"from": dict(zip(("human", "gpt"), speakers, strict=True)).get(turn["from"], "System")}
        for turn in said
    ]
    (example,) = read_llava(save(tmp_path, [{"images": "8.jpg", "conversations": chat}]))
    assert [(qa.question, qa.answer) for qa in example.questions] == [("What?", "A bus.")]
    assert example.system == "Be brief." and [picture.path.name for picture in example.pictures] == ["8.jpg"]


@pytest.mark.parametrize("absent", [None, "", []])
def test_a_field_for_images_may_be_empty(tmp_path, absent):
    rows = [
        {"image": absent, "images": ["8.jpg"], "conversations": turns("<image>\nWhat?", "A bus.")},
        {"image": absent, "conversations": turns("Hello?", "Hi.")},
    ]
    shown, text = read_llava(save(tmp_path, rows))
    assert [picture.path.name for picture in shown.pictures] == ["8.jpg"] and text.pictures == ()


def test_rows_of_videos_are_counted(tmp_path):
    of_video = {"video": "a.mp4", "conversations": turns("<image>\nWhat?", "A tram.")}
    rows = [of_video, {"conversations": turns("<video>\nWhat?", "A tram.")}] * 3
    rows += [{"id": "x", "conversations": turns("Hello?", "")}]
    html = "<video>\n<source src=a.mp4>\n</video>\nWhat does the <video> element do?"
    spoken = {"video": "", "conversations": turns(html, "It shows a video.")}
    with pytest.raises(InputError) as refused:
        read_llava(save(tmp_path, [spoken, *rows]))
    message = str(refused.value)
    assert "6 rows are of videos (row 1, row 2, row 3, and 3 more); take them out" in message
    assert "row 7 (id x): answer 0 is empty" in message and "\n" not in message
    assert len(refused.value.problems) == 7
    assert len(read_llava(save(tmp_path, [spoken]))) == 1


@pytest.mark.parametrize("name", ["chat.json", "chat.jsonl"])
def test_of_many_wrong_rows_the_first_are_named_and_all_listed(tmp_path, name):
    rows = [{"id": f"x{i}", "conversations": turns("Hello?", "")} for i in range(5)]
    root = save(tmp_path, [ROWS[2], *rows, {"id": 7}, ROWS[2], {"conversations": [{"value": 1}]}], name)
    lines = [f"row {i} (id x{i - 1}): answer 0 is empty" for i in range(1, 6)]
    for number, said in (
        (6, "conversations: Field"),
        (8, "conversations.0.from: Field required, conversations.0.value"),
    ):
        # In lines, two of which stand apart.
        place = f"line {2 * number + 1}" if name.endswith("l") else f"row {number}"
        lines.append(f"{place}: not LLaVA's layout: {said}")
    if name.endswith("l"):
        (root / name).write_text((root / name).read_text() + "\n{oops\n")
        lines.append("line 18: not JSON: key must be a string at column 2")
    with pytest.raises(InputError) as refused:
        read_llava(root)
    message, problems = str(refused.value), refused.value.problems
    assert all(line in message for line in lines[:3]) and message.count(str(root)) == 1
    assert message.endswith(f"; and {len(lines) - 3} more rows are wrong")
    assert [found.startswith(f"{root / name}: {line}") for found, line in zip(problems, lines, strict=True)]
    # A check goes on with the others.
    with gathering_unusable() as unusable:
        assert len(read_llava(root)) == 2
    assert tuple(unusable.damaged) == problems


@pytest.mark.parametrize(
    "name, text, message",
    [
        (
            "chat.json",
            '[{"id": 1,\n "conversations": oops}]',
            "chat.json: not JSON: expected value at line 2",
        ),
        (
            "chat.json",
            '{"data":\n[{"id": 1}]}',
            "chat.json: not LLaVA's layout: Input should be a valid array",
        ),
        ("chat.json", '{"id": 1}', "chat.json: line 1: not LLaVA's layout: conversations: Field required"),
        ("chat.json", '[{"id": 1}]', "chat.json: row 0: not LLaVA's layout: conversations: Field required"),
        ("chat.json", "[]", "chat.json: no examples: it has no rows"),
        ("chat.json", "", "chat.json: no examples: it has no rows"),
        ("chat.jsonl", "\n\n", "chat.jsonl: no examples: it has no rows"),
        ("chat.jsonl", '{"conversations": []', "chat.jsonl: line 1: not JSON"),
        (
            "chat.jsonl",
            '\n{"conversations": [{"value": "x"}]}',
            "chat.jsonl: line 2: not LLaVA's layout: conv",
        ),
    ],
)
def test_wrong_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as refused:
        read_llava(tmp_path)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_which_file(tmp_path):
    save(tmp_path)
    (tmp_path / "metadata.json").write_text("[]")
    assert len(read_llava(tmp_path)) == 4
    (tmp_path / "more.json").write_text("[]")
    with pytest.raises(InputError, match=r"the folder has chat\.json, more\.json"):
        read_llava(tmp_path)
    assert len(read_llava(tmp_path, file="chat.json")) == len(read_llava(tmp_path / "chat.json")) == 4
    with pytest.raises(InputError, match=r"chat2\.json: No such file"):
        read_llava(tmp_path, file="chat2.json")
