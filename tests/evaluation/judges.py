"""A tiny judge of Lingo-Judge's class, the same on every machine."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import torch
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification, DebertaV2Tokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BIAS = 1.3
"""Some answers pass and some do not."""
WORDS = ("question", "answer", "student", "yes", "no", "the", "is", "red", "light", "vehicle", "ahead",
         "stop", "left", "right")  # fmt: skip


def tiny_judge(folder: Path, labels: int = 1, seed: int = 7) -> Path:
    """Write a DeBERTa-v2 classifier with DeBERTa-v3's settings and its tokenizer to `folder`."""
    pieces = [*(f"▁{word}" for word in WORDS), "▁", *string.printable.strip(), "é"]
    vocab = [(s, 0.0) for s in SPECIALS] + [(p, -2.0 - 0.01 * i) for i, p in enumerate(pieces)]
    DebertaV2Tokenizer(vocab=vocab).save_pretrained(folder)
    config = DebertaV2Config(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        type_vocab_size=0,
        relative_attention=True,
        position_biased_input=False,
        pos_att_type=["p2c", "c2p"],
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_buckets=16,
        max_relative_positions=-1,
        pooler_hidden_size=32,
        num_labels=labels,
    )
    model = DebertaV2ForSequenceClassification(config)
    random = np.random.RandomState(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = random.standard_normal(tuple(parameter.shape)) * (0.5 if parameter.ndim > 1 else 0.1)
            is_scale = "LayerNorm.weight" in name
            parameter.copy_(torch.from_numpy(values + (1.0 if is_scale else 0.0)))
        model.classifier.bias += BIAS
    model.save_pretrained(folder)
    return folder
