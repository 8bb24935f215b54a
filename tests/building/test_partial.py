"""What a checkpoint that is not whole is told of: its weights by name, and a depth that no file shortens."""

import pytest
import torch
from segment_anything import sam_model_registry

from leo_drive.building import segment_anything
from leo_drive.building.segment_anything import segment_anything_config
from leo_drive.errors import InputError
from leo_drive.model.checkpoints.names import listed
from tests.building.checkpoints import SAM, write_segment_anything


@pytest.mark.parametrize(
    ("size", "width", "depth"), [("vit_b", 768, 12), ("vit_l", 1024, 24), ("vit_h", 1280, 32)]
)
def test_a_published_sam_has_its_layers_whatever_the_file_lacks(size, width, depth):
    with torch.device("meta"):
        encoder = sam_model_registry[size]().image_encoder
    shapes = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    whole = segment_anything_config(shapes, "sam.pth")
    assert (whole["hidden_size"], whole["num_hidden_layers"], whole["window_size"]) == (width, depth, 14)
    quarter = depth // 4
    assert whole["global_attn_indexes"] == [i * quarter - 1 for i in (1, 2, 3, 4)]
    for gone in (0, quarter, depth - 1):
        left = {name: shape for name, shape in shapes.items() if not name.startswith(f"blocks.{gone}.")}
        partial = segment_anything_config(left, "sam.pth")
        assert {**partial, "global_attn_indexes": 0} == {**whole, "global_attn_indexes": 0}
    one_more = {name.replace(f"blocks.{depth - 1}.", f"blocks.{depth}."): s for name, s in shapes.items()}
    assert segment_anything_config({**shapes, **one_more}, "sam.pth") == whole


def test_the_last_layer_of_a_published_sam_is_named(build, internvl, tmp_path, monkeypatch):
    monkeypatch.setitem(segment_anything._DEPTHS, SAM["hidden_size"], SAM["num_hidden_layers"])
    write_segment_anything(tmp_path / "sam.pth")
    state = torch.load(tmp_path / "sam.pth", weights_only=True)
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("image_encoder.blocks.2.")}
    torch.save(kept, tmp_path / "sam.pth")
    status, _, err = build("--internvl", internvl, "--sam", tmp_path / "sam.pth", "--out", tmp_path / "out")
    assert status == 2 and len(err.splitlines()) == 1
    assert "sam.pth: 14 weights missing (image_encoder.blocks.2." in err and "0 weights unexpected" in err
    assert "config.json" not in err and not (tmp_path / "out").exists()
    assert all(name in err for name in state.keys() - kept.keys())


def test_a_sam_of_another_size_without_its_end_ends_with_a_layer_that_sees_everything():
    shapes = {
        "patch_embed.proj.weight": (24, 3, 16, 16),
        "pos_embed": (1, 8, 8, 24),
        "neck.0.weight": (8, 24),
    }
    for layer, patches in enumerate((8, 3, 8, 3)):
        shapes[f"blocks.{layer}.attn.rel_pos_h"] = (2 * patches - 1, 12)
        shapes[f"blocks.{layer}.mlp.lin1.weight"] = (48, 24)
    with pytest.raises(InputError, match=r"^sam\.pth: blocks\.3 attends to windows alone.*blocks\.4 and on"):
        segment_anything_config(shapes, "sam.pth")
    gap = {name.replace("blocks.1.", "blocks.4."): shape for name, shape in shapes.items()}
    with pytest.raises(InputError, match=r"blocks\.5 and on"):
        segment_anything_config({**gap, "neck.3.weight": (8,)}, "sam.pth")
    assert segment_anything_config({**shapes, "neck.3.weight": (8,)}, "sam.pth")["num_hidden_layers"] == 4
    del shapes["blocks.3.attn.rel_pos_h"]  # the layer is there, and what it lacks is for the build to name
    assert segment_anything_config(shapes, "sam.pth")["num_hidden_layers"] == 4


def test_many_weights_in_one_line():
    assert listed([f"head.{i}" for i in range(20)]).endswith("head.18, head.19")
    assert listed([f"head.{i}" for i in range(23)]).endswith("head.18, head.19, and 3 more")
    layer = [f"vision_encoder.layers.1.w{i}" for i in range(30)]
    assert listed(["neck.conv1.weight", *layer]) == "neck.conv1.weight, vision_encoder.layers.1.* (30)"
    scales = [f"encoder.layers.{i}.ls{j}" for i in range(24) for j in (1, 2)]
    assert listed(scales) == "encoder.layers.*.ls1 (24), encoder.layers.*.ls2 (24)"
