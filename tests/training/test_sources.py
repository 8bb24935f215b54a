"""A recipe's sources: label maps where their card says, and nothing held out that is learned too."""

from __future__ import annotations

import json
import shutil

import yaml
from PIL import Image

from training.recipe import DataSource
from training.sources import read_source


def test_label_maps_are_where_the_card_says(tmp_path, drives):
    shutil.copytree(drives, tmp_path / "put/part")
    (tmp_path / "put/part/labels").rename(tmp_path / "put/maps")
    parts = {"p": {"root": "part", "options": {"labels": "../maps/train"}}}
    card = {"title": "Mine", "format": "lingoqa", "homepage": "x", "licence": "y", "parts": parts}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/card.yaml").write_text(yaml.safe_dump(card))

    def first(read=True, **given):
        source = DataSource(root=tmp_path / "put", dataset=str(tmp_path / "mine"), part="p", **given)
        return [label_map.exists() for label_map in read_source(source, labels=read)[0].label_maps]

    assert first() == [True] * 5 and first(read=False) == []
    # What the recipe says goes before the card.
    (tmp_path / "put/maps").rename(tmp_path / "put/others")
    assert first() == [False] * 5
    assert first(options={"labels": "../others/train"}) == first(labels="../others/train") == [True] * 5


def test_rows_of_one_picture_are_on_one_side(tmp_path):
    turns = [{"from": "human", "value": "<image>\nStop?"}, {"from": "gpt", "value": "Yes."}]
    Image.new("RGB", (90, 60)).save(tmp_path / "x.jpg")
    rows = [
        {"id": f"{i}" if row < 2 else f"{i}-{row}", "image": f"{i}.jpg", "conversations": turns}
        for row in range(3)
        for i in range(60)
    ]
    # Some of several pictures, which other rows show too.
    both = [{"from": "human", "value": "<image><image>\nStop?"}, turns[1]]
    rows += [{"image": [f"{i}.jpg", f"{i + 1}.jpg"], "conversations": both} for i in range(0, 60, 2)]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    sides = [
        read_source(DataSource(root=tmp_path, format="llava", share=share)) for share in ((0, 0.7), (0.7, 1))
    ]
    shown = [{picture.name for example in side for picture in example.pictures} for side in sides]
    assert len(shown[0]) > len(shown[1]) > 5 and not shown[0] & shown[1]
    assert sum(map(len, sides)) == 210
