"""How other projects name the weights that LEO-Drive has, as tables that are read in both directions.

The encoders are timm's and the language model is transformers', so a checkpoint needs no remote code: all is
a renaming, but for InternLM2's `wqkv` (internlm2.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from leo_drive.errors import some

# (their beginning of a name, ours); `*` stands for a layer's number. The first rule that fits is applied.
Renaming = tuple[tuple[str, str], ...]

INTERNVIT_NAMES: Renaming = (
    ("embeddings.class_embedding", "cls_token"),
    ("embeddings.patch_embedding.", "patch_embed.proj."),
    ("embeddings.position_embedding", "pos_embed"),
    ("encoder.layers.*.ls1", "blocks.*.ls1.gamma"),
    ("encoder.layers.*.ls2", "blocks.*.ls2.gamma"),
    ("encoder.layers.*.", "blocks.*."),
)
# transformers' SamVisionEncoder.
SAM_NAMES: Renaming = (
    ("patch_embed.projection.", "patch_embed.proj."),
    ("layers.*.layer_norm1.", "blocks.*.norm1."),
    ("layers.*.layer_norm2.", "blocks.*.norm2."),
    ("layers.*.mlp.lin1.", "blocks.*.mlp.fc1."),
    ("layers.*.mlp.lin2.", "blocks.*.mlp.fc2."),
    ("layers.*.", "blocks.*."),
    ("neck.conv1.", "neck.0."),
    ("neck.layer_norm1.", "neck.1."),
    ("neck.conv2.", "neck.2."),
    ("neck.layer_norm2.", "neck.3."),
)
# segment-anything's ImageEncoderViT.
SEGMENT_ANYTHING_NAMES: Renaming = (
    ("blocks.*.mlp.lin1.", "blocks.*.mlp.fc1."),
    ("blocks.*.mlp.lin2.", "blocks.*.mlp.fc2."),
)
# But for `attention.wqkv`, which is three of ours.
INTERNLM2_NAMES: Renaming = (
    ("model.tok_embeddings.", "model.embed_tokens."),
    ("model.layers.*.attention.wo.", "model.layers.*.self_attn.o_proj."),
    ("model.layers.*.feed_forward.w1.", "model.layers.*.mlp.gate_proj."),
    ("model.layers.*.feed_forward.w2.", "model.layers.*.mlp.down_proj."),
    ("model.layers.*.feed_forward.w3.", "model.layers.*.mlp.up_proj."),
    ("model.layers.*.attention_norm.", "model.layers.*.input_layernorm."),
    ("model.layers.*.ffn_norm.", "model.layers.*.post_attention_layernorm."),
    ("output.", "lm_head."),
)


def rename(name: str, renaming: Renaming) -> str:
    """Our name for their parameter; a name that no rule fits stays.

    Example:
        >>> rename("encoder.layers.3.ls1", INTERNVIT_NAMES)
        'blocks.3.ls1.gamma'
    """
    return _apply(name, renaming)


def original_name(name: str, renaming: Renaming) -> str:
    """Their name for our parameter, the inverse of `rename`.

    Example:
        >>> original_name("blocks.3.ls1.gamma", INTERNVIT_NAMES)
        'encoder.layers.3.ls1'
    """
    return _apply(name, tuple((ours, theirs) for theirs, ours in renaming))


_NAMED = 20
_LAYER = re.compile(r"\.(\d+)\.")


def listed(names: Sequence[str]) -> str:
    """Weights for a message: by their names, many of them layer by layer or for all layers together.

    Example:
        >>> listed(["layers.0.ls1", "layers.0.ls2"])
        'layers.0.ls1, layers.0.ls2'
        >>> listed([f"layers.1.w{i}" for i in range(30)])
        'layers.1.* (30)'
        >>> listed([f"layers.{i}.ls1" for i in range(24)])
        'layers.*.ls1 (24)'
    """
    groups = Counter(names)
    if len(groups) > _NAMED:
        by_layer = Counter(_LAYER.sub(r".\1.*\n", name, count=1).partition("\n")[0] for name in names)
        for_all = Counter(_LAYER.sub(".*.", name, count=1) for name in names)
        groups = min(by_layer, for_all, key=len)
    said = [f"{name} ({count})" if "*" in name else name for name, count in groups.items()]
    return some(said, shown=_NAMED)


def _apply(name: str, rules: Renaming) -> str:
    for before, after in rules:
        if match := _pattern(before).match(name):
            start = after.replace("*", match[1]) if "*" in before else after
            return start + name[match.end() :]
    return name


@cache
def _pattern(beginning: str) -> re.Pattern[str]:
    return re.compile(re.escape(beginning).replace(r"\*", r"(\d+)"))
