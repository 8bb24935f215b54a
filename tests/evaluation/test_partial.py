"""What a model is told by: its configuration and weights, not the library that it was loaded with."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
import torch

from leo_drive.errors import InputError
from leo_drive.evaluation.judge import LingoJudge
from leo_drive.evaluation.partial import PartialAnswers, weights_hash, what_answers_depend_on
from leo_drive.inference import Leo
from tests.evaluation.judges import tiny_judge
from tests.model.tiny import tiny_leo


def test_a_model_is_told_by_its_configuration_and_weights():
    network, _ = tiny_leo(seed=0)
    known = weights_hash(network)
    assert weights_hash(tiny_leo(seed=0)[0]) == known != weights_hash(tiny_leo(seed=1)[0])
    with torch.no_grad():
        max(network.parameters(), key=torch.Tensor.numel).view(-1)[-1] += 1
    assert weights_hash(network) != known
    network, _ = tiny_leo(seed=0)
    network.config.confidence_temperature = 2.0
    assert weights_hash(network) != known


@pytest.mark.parametrize("text", ["3\n", "[1]\n", "{}\n[]\n", '{}\n{"answers": []}\n', "\xff\n", "{}\n{\n"])
def test_a_file_that_is_something_else_is_one_line(tmp_path, text):
    (tmp_path / "answers.partial.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="damaged; remove it to start over"):
        PartialAnswers(tmp_path / "answers.partial.jsonl", {})


def test_another_version_of_transformers_is_the_same_model(tmp_path, monkeypatch):
    network, processor = tiny_leo(seed=0)
    judge = LingoJudge(str(tiny_judge(tmp_path)), device="cpu")
    before = weights_hash(network), judge.hash
    asked = what_answers_depend_on(Leo(network, processor), [], 8)
    # The library writes its own version into what it makes of a configuration.
    monkeypatch.setattr("transformers.configuration_utils.__version__", "99.0.0")
    for config in (network.config, judge.model.config):
        said = json.loads(config.to_json_string())["transformers_version"]
        assert said == "99.0.0" != metadata.version("transformers")
    assert (weights_hash(network), judge.hash) == before
    assert "99.0.0" in processor.to_json_string()
    assert what_answers_depend_on(Leo(network, processor), [], 8) == asked
