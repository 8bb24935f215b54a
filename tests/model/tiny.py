"""A LEO of a few thousand weights with a real tokenizer, for tests of everything but answers."""

import torch
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.model import BranchConfig, LeoConfig, LeoForConditionalGeneration, LeoProcessor
from training.new_model import SPECIAL_TOKENS, train_tokenizer

TEXTS = [
    "Is there a vehicle ahead? Yes, there is a vehicle ahead.",
    "What should the driver do? Stop.",
    "Frame1: ",
]


def tiny_config(fusion: str = "interleave", tied: bool = True, context: int = 512, **overrides) -> LeoConfig:
    """Two branches of 4 tokens a tile; tiles of 56 pixels."""
    tokenizer = train_tokenizer(TEXTS, 400)
    ids = {t: tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS}
    vit = BranchConfig(
        "vit_intern300m_patch14_448",
        image_size=56,
        grid=4,
        width=32,
        unshuffle=2,
        encoder_args={"patch_size": 14, "embed_dim": 32, "depth": 2, "num_heads": 4},
    )
    sam = BranchConfig(
        "samvit_large_patch16",
        image_size=64,
        grid=8,
        width=8,
        unshuffle=4,
        unshuffle_order="channel",
        resample="bilinear",
        encoder_args={
            "patch_size": 8,
            "embed_dim": 24,
            "depth": 2,
            "num_heads": 2,
            "window_size": 3,
            "global_attn_indexes": [1],
            "neck_chans": 8,
        },
    )
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|pad|>"],
        "bos_token_id": None,
        "tie_word_embeddings": tied,
    }
    values = {
        "text_config": text,
        "branches": [vit, sam],
        "tile_size": 56,
        "image_token_id": ids["<IMG_CONTEXT>"],
    }
    return LeoConfig(fusion=fusion, **{**values, **overrides})


def tiny_leo(
    fusion: str = "interleave", seed: int = 0, **overrides
) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    """Random weights, large enough that answers differ from question to question."""
    config = tiny_config(fusion, **overrides)
    torch.manual_seed(seed)
    model = LeoForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.language_model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return model, LeoProcessor(train_tokenizer(TEXTS, 400), config)


def noise_clip(frames: int = 3, size: tuple[int, int] = (64, 48), seed: int = 0) -> Clip:
    """Frames of random colours."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(
        0, 256, (frames, size[1], size[0], 3), dtype=torch.uint8, generator=generator
    ).numpy()
    return Clip(tuple(Image.fromarray(p) for p in pixels), tuple(range(frames)), source="noise")
