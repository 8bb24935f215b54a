"""New models with random weights, by name: what a recipe starts from when there is nothing to start from."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from leo_drive.model import BranchConfig, LeoConfig, LeoForConditionalGeneration, LeoProcessor
from leo_drive.model.config import IMAGE_END, IMAGE_START, IMAGE_TOKEN

SPECIAL_TOKENS = ("<|pad|>", "<|im_start|>", "<|im_end|>", IMAGE_START, IMAGE_TOKEN, IMAGE_END)
NANO_VOCABULARY = 1024


def nano_config(vocabulary: int, ids: dict[str, int]) -> LeoConfig:
    """LEO in small: an InternViT-style ViT and a SAM-style windowed one, unshuffle 2 and 4, interleaved.

    A tile is 256 pixels: 16x16 patches of 16 for the first branch and 32x32 of 8 for the second, so that each
    gives 8x8 tokens and a tile costs 128.
    """
    tile = 256
    return LeoConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": vocabulary,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": True,
            # One over the root of the width: with the usual 0.02, made for wide models, attention starts
            # out so even that it takes long to learn to look at one thing.
            "initializer_range": 0.07,
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|pad|>"],
        },
        branches=[
            BranchConfig(
                "vit_intern300m_patch14_448",
                image_size=tile,
                grid=tile // 16,
                width=192,
                unshuffle=2,
                encoder_args={"patch_size": 16, "embed_dim": 192, "depth": 5, "num_heads": 6},
            ),
            BranchConfig(
                "samvit_large_patch16",
                image_size=tile,
                grid=tile // 8,
                width=32,
                unshuffle=4,
                unshuffle_order="channel",
                resample="bilinear",
                encoder_args={
                    "patch_size": 8,
                    "embed_dim": 96,
                    "depth": 4,
                    "num_heads": 3,
                    "window_size": 8,
                    "global_attn_indexes": [],
                    "neck_chans": 32,
                },
            ),
        ],
        tile_size=tile,
        max_tiles=1,
        image_token_id=ids[IMAGE_TOKEN],
        system_message="Answer about the drive.",
    )


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE: it can spell any text, and driving words are short in it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL_TOKENS[0],
        eos_token="<|im_end|>",
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        clean_up_tokenization_spaces=False,
    )


def new_nano(texts: Iterable[str]) -> tuple[LeoForConditionalGeneration, LeoProcessor]:
    """nano with random weights, its tokenizer learned from the training texts."""
    tokenizer = train_tokenizer(
        [*texts, "system user assistant Frame1: Frame2: Frame3: Frame4: Frame5:"], NANO_VOCABULARY
    )
    ids = {token: tokenizer.vocab[token] for token in SPECIAL_TOKENS}
    config = nano_config(len(tokenizer), ids)
    model = LeoForConditionalGeneration(config)
    return model, LeoProcessor(tokenizer, config)


NEW_MODELS = {"nano-from-scratch": new_nano}
