"""Language models' configurations that would answer otherwise with us, or are not whole."""

import pytest

from leo_drive.building.configurations import language_configuration
from leo_drive.errors import InputError
from tests.building.checkpoints import language_json, language_model


def described(kind: str, **changes: object) -> dict:
    return {**language_json(language_model(kind, 300), kind), **changes}


def test_a_window_of_tokens_is_refused_where_a_layer_has_one():
    window = {"use_sliding_window": True, "sliding_window": 16}
    with pytest.raises(
        InputError, match=r"^config\.json: use_sliding_window=True: .* the last 16 tokens alone"
    ):
        language_configuration(described("qwen2", **window, max_window_layers=1), "config.json")
    language_configuration(described("qwen2", **window, max_window_layers=2), "config.json")


@pytest.mark.parametrize("kind", ["internlm2", "qwen2", "llama"])
def test_a_rope_scaling_without_its_factor_is_one_readable_line(kind):
    with pytest.raises(InputError, match=r"^config\.json: rope_scaling is not whole: .*\{'factor'\}$"):
        language_configuration(described(kind, rope_scaling={"type": "dynamic"}), "config.json")
