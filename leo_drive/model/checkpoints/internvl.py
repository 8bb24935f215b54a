"""InternVL's configuration: what of it LEO-Drive takes over, and what it must refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leo_drive.errors import InputError
from leo_drive.model.checkpoints.branches import internvit_branch, refuse_other_values
from leo_drive.model.config import BranchConfig
from leo_drive.model.processor import CHAT_TEMPLATE

# What InternVL and the reference can switch and we have fixed: ignoring it would change the answers.
INTERNVL_FIXED = {
    "ps_version": "v2",
    "select_layer": -1,
    "pad2square": False,
    "min_dynamic_patch": 1,
    # Adapters that were never merged have weights under other names.
    "use_backbone_lora": 0,
    "use_llm_lora": 0,
}
# InternVL's conversation templates that are ChatML, and what stands between two turns.
CHAT_TEMPLATES = {
    "internlm2-chat": CHAT_TEMPLATE,
    "Hermes-2": CHAT_TEMPLATE,
    "internvl2_5": CHAT_TEMPLATE.replace("'<|im_end|>'", "'<|im_end|>\\n'"),
}


def internvl_branch(config: Mapping[str, Any], what: str) -> BranchConfig:
    """The InternViT branch of an InternVL configuration.

    Raises:
        InputError: the configuration is not InternVL's, or is of a kind that would give other features.
    """
    if (named := config.get("architectures")) != ["InternVLChatModel"]:
        raise InputError(f"{what}: its architecture is {named}, not InternVLChatModel")
    refuse_other_values(config, INTERNVL_FIXED, what)
    vit = config["vision_config"]
    image_size = config.get("force_image_size") or vit["image_size"]
    return internvit_branch(vit, image_size, config["downsample_ratio"], what)


def chat_template(config: Mapping[str, Any], what: str) -> str:
    """The Jinja template for the conversation that the checkpoint was trained with.

    Raises:
        InputError: it is not a ChatML one.
    """
    name = config.get("template", "internlm2-chat")
    if name not in CHAT_TEMPLATES:
        raise InputError(f"{what}: template={name!r} is not supported, only {', '.join(CHAT_TEMPLATES)}")
    return CHAT_TEMPLATES[name]
