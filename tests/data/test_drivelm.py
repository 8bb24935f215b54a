"""DriveLM's graphs as examples."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest

from leo_drive.data.drivelm import CAMERAS, read_drivelm
from leo_drive.data.unusable import gathering_unusable
from leo_drive.errors import InputError
from tests.data.pictures import jpeg, pack, shade, write

TAG = "<c1,CAM_BACK,800.0,450.0>"


def qa(question, answer):
    return {
        "Q": question,
        "A": answer,
        "C": None,
        "con_up": None,
        "con_down": None,
        "cluster": None,
        "layer": None,
    }


def frame(number):
    return {
        "key_object_infos": {TAG: {"Category": "Vehicle"}},
        "QA": {
            "perception": [qa("What is in front?", "A car."), qa(f"What is {TAG}?", "A truck.")],
            "prediction": [qa("What comes nearest?", f"That is {TAG}.")],
            "planning": [],
            "behavior": [qa("What does the ego car do?", "It drives.")],
        },
        # Not in the order in which they are shown.
        "image_paths": {c: f"../nuscenes/samples/{c}/{number}.jpg" for c in reversed(CAMERAS)},
    }


def document():
    return {"s1": {"scene_description": "", "key_frames": {"f1": frame(1), "f2": frame(2)}}}


IMAGES = {
    f"samples/{camera}/{number}.jpg": jpeg(20 * (i + 1) + 10 * (number - 1))
    for i, camera in enumerate(CAMERAS)
    for number in (1, 2)
}


@pytest.fixture
def drivelm(tmp_path):
    folder = tmp_path / "drivelm"
    folder.mkdir()
    (folder / "v1_1_train_nus.json").write_text(json.dumps(document()))
    return folder


VALIDATION = {name.replace("samples/", "val_data/"): data for name, data in IMAGES.items()}


@pytest.mark.parametrize("where", ["archive", "both archives", "unpacked", "named archive", "named folder"])
def test_the_images_of_the_validation_questions_lie_in_another_folder(drivelm, where):
    archive, options = drivelm / "drivelm_nus_imgs_val.zip", {}
    if where in ("archive", "both archives"):
        pack(archive, VALIDATION)
    if where == "both archives":
        train = {name.replace("1.jpg", "7.jpg"): data for name, data in IMAGES.items() if "1.jpg" in name}
        pack(
            drivelm / "drivelm_nus_imgs_train.zip", {f"nuscenes/{name}": data for name, data in train.items()}
        )
    elif where == "unpacked":
        write(drivelm, VALIDATION)
    elif where == "named archive":
        pack(drivelm.parent / "mine.zip", VALIDATION)
        options = {"nuscenes": drivelm.parent / "mine.zip"}
    elif where == "named folder":
        write(drivelm.parent / "there", VALIDATION)
        options = {"nuscenes": drivelm.parent / "there/val_data"}
    first, second = read_drivelm(drivelm, **options)
    assert [shade(p.read()) for p in first.pictures] == [20, 40, 60, 80, 100, 120]
    assert [shade(p.read()) for p in second.pictures] == [30, 50, 70, 90, 110, 130]


@pytest.mark.parametrize("where", ["within", "beside", "archive", "named folder", "named archive"])
def test_six_cameras_in_order(drivelm, where):
    options = {}
    if where == "within":
        write(drivelm / "nuscenes", IMAGES)
    elif where == "beside":
        write(drivelm.parent / "nuscenes", IMAGES)
    elif where == "named folder":
        write(drivelm / "elsewhere", IMAGES)
        options["nuscenes"] = drivelm / "elsewhere"
    else:
        archive = drivelm / ("drivelm_nus_imgs_train.zip" if where == "archive" else "mine.zip")
        pack(archive, {f"nuscenes/{name}": data for name, data in IMAGES.items()})
        options |= {} if where == "archive" else {"nuscenes": archive}
    first, second = read_drivelm(drivelm, **options)
    assert first.names == CAMERAS and first.example_id == "s1_f1"
    assert [shade(p.read()) for p in first.pictures] == [20, 40, 60, 80, 100, 120]
    assert [shade(p.read()) for p in second.pictures] == [30, 50, 70, 90, 110, 130]
    ids = [q.question_id for q in first.questions]
    assert ids == ["s1_f1_perception_0", "s1_f1_perception_1", "s1_f1_prediction_0", "s1_f1_behavior_0"]
    assert all(len(conversation) == 1 for conversation in first.conversations)
    assert first.questions[1].question == f"What is {TAG}?"


def test_fewer_cameras_leave_out_what_they_do_not_show(drivelm):
    first, _ = read_drivelm(drivelm, cameras=["CAM_FRONT_LEFT", "CAM_FRONT"])
    assert first.names == ("CAM_FRONT_LEFT", "CAM_FRONT")
    assert [p.path.parent.name for p in first.pictures] == ["CAM_FRONT_LEFT", "CAM_FRONT"]
    # Question ids stay the same whatever is shown.
    assert [q.question_id for q in first.questions] == ["s1_f1_perception_0", "s1_f1_behavior_0"]
    path = drivelm / "v1_1_train_nus.json"
    path.write_text(path.read_text().replace("front", TAG).replace("ego", TAG))
    with pytest.raises(InputError, match=r"no examples: none of its 8 questions .* \(CAM_FRONT\)"):
        read_drivelm(drivelm, cameras=["CAM_FRONT"])


@pytest.mark.parametrize(
    "tags, said", [("pixels", TAG), ("fractions", "<c1,CAM_BACK,0.500,0.500>"), ("names", "<c1,CAM_BACK>")]
)
def test_tags(drivelm, tags, said):
    first, _ = read_drivelm(drivelm, tags=tags)
    assert first.questions[1].question == f"What is {said}?"
    assert first.questions[2].answer == f"That is {said}."


def with_tag(drivelm, tag):
    path = drivelm / "v1_1_train_nus.json"
    path.write_text(path.read_text().replace(TAG, tag))
    return drivelm


@pytest.mark.parametrize(
    ("tag", "fractions"),
    [
        ("<c1, CAM_BACK, 800.0, 450.0>", "<c1,CAM_BACK,0.500,0.500>"),
        ("< C1 ,CAM_BACK , 800 , 450. >", "<c1,CAM_BACK,0.500,0.500>"),
        ("<c1,cam_back,-80.0,.9>", "<c1,CAM_BACK,-0.050,0.001>"),
        ("<c1,CAM_BACK,8e2,450>", "<c1,CAM_BACK,0.500,0.500>"),
        ("<c1,CAM_BACK>", "<c1,CAM_BACK>"),
    ],
)
def test_tags_written_otherwise(drivelm, tag, fractions):
    with_tag(drivelm, tag)
    assert read_drivelm(drivelm)[0].questions[1].question == f"What is {tag}?"
    for tags, said in (("fractions", fractions), ("names", "<c1,CAM_BACK>")):
        assert read_drivelm(drivelm, tags=tags)[0].questions[1].question == f"What is {said}?"
    asked = [qa.question for e in read_drivelm(drivelm, cameras=["CAM_FRONT"]) for qa in e.questions]
    assert asked == ["What is in front?", "What does the ego car do?"] * 2


@pytest.mark.parametrize(
    "tag",
    [
        "<c1;CAM_BACK;800.0;450.0>",
        "<c1,CAM_BACK,800.0,450.0.7.1>",
        "<c1,CAM_BACK,800.0>",
        "<c1,CAM_SIDE,800.0,450.0>",
        "<c1,CAM_BACK,800.0,450.0",
    ],
)
@pytest.mark.parametrize("tags", ["pixels", "fractions"])
def test_what_has_a_tag_that_cannot_be_read_is_left_out_and_named(drivelm, tag, tags, caplog):
    whole = {qa.question_id for example in read_drivelm(drivelm, tags=tags) for qa in example.questions}
    with_tag(drivelm, tag)
    left = {qa.question_id for example in read_drivelm(drivelm, tags=tags) for qa in example.questions}
    line = caplog.messages[-1]
    assert "left out 4 questions with a tag that cannot be read: " in line and "\n" not in line
    assert (
        f"key frame f1: perception 1, '{tag}" in line
        and "prediction 0, '<c1" in line
        and "and 1 more" in line
    )
    assert left < whole and len(whole - left) == 4


def test_other_words_in_brackets_are_no_tags(drivelm):
    said = "<car> <c1> <front left> x < c3 in CAM_FRONT"
    assert read_drivelm(with_tag(drivelm, said))[0].questions[1].question == f"What is {said}?"


@pytest.mark.parametrize("answer", ["", None, "absent"])
def test_a_question_without_an_answer_is_left_out_and_named(drivelm, answer, caplog):
    made = document()
    pair = made["s1"]["key_frames"]["f2"]["QA"]["behavior"][0]
    pair["A"] = answer
    if answer == "absent":
        pair.pop("A")
    (drivelm / "v1_1_train_nus.json").write_text(json.dumps(made))
    for gathered in (False, True):
        with gathering_unusable() if gathered else nullcontext() as unusable:
            ids = [qa.question_id for example in read_drivelm(drivelm) for qa in example.questions]
        assert len(ids) == 7 and "s1_f2_behavior_0" not in ids
    path, place = drivelm / "v1_1_train_nus.json", "scene s1, key frame f2: behavior 0"
    # Gathered, it is listed instead.
    assert caplog.messages == [f"{path}: left out 1 questions without an answer: {place}"]
    assert unusable.left_out == {"questions without an answer": [f"{path}: {place}"]}


@pytest.mark.parametrize("lacking", [5, 8])
def test_a_file_most_of_whose_questions_have_no_answer_is_refused(drivelm, lacking):
    made = document()
    frames = made["s1"]["key_frames"].values()
    for pair in [qa for frame in frames for stage in frame["QA"].values() for qa in stage][:lacking]:
        pair["A"] = None
    (drivelm / "v1_1_train_nus.json").write_text(json.dumps(made))
    for around in (nullcontext(), gathering_unusable()):
        with around, pytest.raises(InputError, match=f"{lacking} of 8 questions have no answer") as refused:
            read_drivelm(drivelm)
        assert "take the training file" in str(refused.value) and "\n" not in str(refused.value)
        assert len(refused.value.problems) == lacking


def test_what_is_wrong_is_told_together(drivelm):
    made = document()
    one, two = made["s1"]["key_frames"].values()
    one["image_paths"].pop("CAM_BACK")
    two["QA"]["perception"][0]["A"] = 3
    two["QA"]["perception"][1]["Q"] = " "
    two["QA"]["prediction"][0].pop("Q")
    made["s1"]["key_frames"] |= {"f3": {"QA": {}}, "f4": frame(2)}
    made["s2"] = []
    path = drivelm / "v1_1_train_nus.json"
    path.write_text(json.dumps(made))
    with pytest.raises(InputError) as refused:
        read_drivelm(drivelm)
    line = str(refused.value)
    assert line.count(path.name) == 1 and "\n" not in line and "and 3 more; correct" in line
    assert sorted(refused.value.problems) == [
        f"{path}: {problem}"
        for problem in (
            "scene s1, key frame f1: image_paths has no CAM_BACK; it has "
            + ", ".join(c for c in reversed(CAMERAS) if c != "CAM_BACK"),
            "scene s1, key frame f2: perception 0: not DriveLM's layout: A: Input should be a valid string",
            "scene s1, key frame f2: perception 1 has no question (Q)",
            "scene s1, key frame f2: prediction 0: not DriveLM's layout: Q: Field required",
            "scene s1, key frame f3: not DriveLM's layout: image_paths: Field required",
            "scene s2: not DriveLM's layout: Input should be a valid dictionary or instance of _Scene",
        )
    ]
    # A check goes on with the rest.
    with gathering_unusable() as unusable:
        assert [example.example_id for example in read_drivelm(drivelm)] == ["s1_f2", "s1_f4"]
    assert tuple(unusable.damaged) == refused.value.problems


@pytest.mark.parametrize("place", ["data/nuscenes/samples", "/home/u/nuscenes/samples"])
def test_a_picture_that_is_nowhere_has_the_name_that_the_file_gives_it(drivelm, place):
    path = drivelm / "v1_1_train_nus.json"
    path.write_text(path.read_text().replace("../nuscenes/samples", place))
    write(drivelm / "nuscenes", IMAGES)
    picture = read_drivelm(drivelm, cameras=["CAM_FRONT"])[0].pictures[0]
    folder, name = drivelm / "nuscenes", f"{place}/CAM_FRONT/1.jpg"
    places = f" (looked for in {folder} and {folder}/samples)" if place.startswith("data") else ""
    assert picture.name == name + places and not picture.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cameras": ["CAM_FORNT"]}, "unknown camera 'CAM_FORNT'; did you mean CAM_FRONT?"),
        ({"cameras": []}, "name at least one camera"),
        ({"cameras": ["CAM_FRONT", "CAM_FRONT"]}, "each once"),
        ({"tags": "words"}, "tags are said as pixels, fractions, names; got 'words'"),
    ],
)
def test_wrong_options(drivelm, options, message):
    with pytest.raises(InputError) as refused:
        read_drivelm(drivelm, **options)
    assert message in str(refused.value) and str(drivelm) in str(refused.value)


def broken(change):
    made = document()
    change(made["s1"]["key_frames"]["f2"])
    return json.dumps(made)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not JSON: EOF while parsing"),
        ("[]", "not DriveLM's layout"),
        ("{}", "v1_1_train_nus.json: no examples: it has no questions"),
        (broken(lambda f: f.pop("QA")), "key frame f2: not DriveLM's layout: QA: Field required"),
        (broken(lambda f: f["QA"]["behavior"][0].update(Q=" ")), "key frame f2: behavior 0 has no question"),
        (broken(lambda f: f["image_paths"].pop("CAM_BACK")), "key frame f2: image_paths has no CAM_BACK"),
    ],
)
def test_wrong_files(drivelm, text, message):
    (drivelm / "v1_1_train_nus.json").write_text(text)
    with pytest.raises(InputError) as refused:
        read_drivelm(drivelm)
    line = str(refused.value)
    assert message in line and "v1_1_train_nus.json" in line and "\n" not in line


def test_which_file(drivelm):
    (drivelm / "v1_1_val_nus_q_only.json").write_text("{}")
    with pytest.raises(InputError, match=r"v1_1_train_nus\.json, v1_1_val_nus_q_only\.json"):
        read_drivelm(drivelm)
    assert len(read_drivelm(drivelm / "v1_1_train_nus.json")) == 2
    with pytest.raises(InputError, match=r"none\.json: No such file"):
        read_drivelm(drivelm / "none.json")


def test_the_sample(shared):
    root = shared / "data/drivelm_sample"
    if not root.is_dir():
        pytest.skip("no drivelm_sample beside the repository")
    examples = read_drivelm(root)
    assert len(examples) == 9 and sum(len(e.questions) for e in examples) == 790
    assert all(p.exists() for e in examples for p in e.pictures)
    ids = [q.question_id for e in examples for q in e.questions]
    assert len(set(ids)) == 790
    assert examples[0].pictures[0].read().size == (1600, 900)
    one = read_drivelm(root, cameras=["CAM_FRONT"])
    texts = [t for e in one for q in e.questions for t in (q.question, q.answer)]
    assert any("CAM_FRONT," in t for t in texts) and not any("CAM_BACK" in t for t in texts)
