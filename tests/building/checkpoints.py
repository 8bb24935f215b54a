"""Tiny checkpoints under the names and in the formats in which the real ones are published, random weights.

The names stand here as the projects write them, not by way of the tables that they test.
"""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, SamConfig, SamModel

from training.new_model import train_tokenizer

TEXTS = [
    "Is there a vehicle ahead? Yes, there is a vehicle ahead.",
    "What should the driver do? Stop at the red light.",
    "You are LEO, an assistant that answers questions about driving video.",
    "system user assistant Frame1: Frame2: Frame3:",
    "die Straße ist nass, 車",
] * 20
WIDTH, LAYERS, HEADS, KV_HEADS = 48, 2, 4, 2
VIT = {
    "architectures": ["InternVisionModel"],
    "model_type": "intern_vit_6b",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": 14,
    "image_size": 56,
    "qkv_bias": True,
    "qk_normalization": False,
    "norm_type": "layer_norm",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
}
SAM = {
    "image_size": 128,
    "patch_size": 16,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "mlp_dim": 48,
    "window_size": 3,
    "global_attn_indexes": [0, 2],
    "output_channels": 8,
}


def random_tensor(*shape: int) -> torch.Tensor:
    return torch.randn(*shape) * 0.2


def randomise(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(random_tensor(*parameter.shape))
    return module.eval()


def internvit_weights(prefix: str = "") -> dict[str, torch.Tensor]:
    width, inner, patch = VIT["hidden_size"], VIT["intermediate_size"], VIT["patch_size"]
    weights = {
        "embeddings.class_embedding": random_tensor(1, 1, width),
        "embeddings.position_embedding": random_tensor(1, 17, width),
        "embeddings.patch_embedding.weight": random_tensor(width, 3, patch, patch),
        "embeddings.patch_embedding.bias": random_tensor(width),
    }
    shapes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    shapes |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
    for layer in range(VIT["num_hidden_layers"]):
        start = f"encoder.layers.{layer}."
        for name in ("ls1", "ls2", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            weights[start + name] = random_tensor(width)
        for name, shape in shapes.items():
            weights[f"{start}{name}.weight"] = random_tensor(*shape)
            weights[f"{start}{name}.bias"] = random_tensor(shape[0])
    return {prefix + name: tensor for name, tensor in weights.items()}


def internvit_features(
    weights: dict[str, torch.Tensor], pixels: torch.Tensor, prefix: str = ""
) -> torch.Tensor:
    """(n, 3, 56, 56) -> (n, 4, 4, width): InternViT's forward pass, class token dropped."""
    w = {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
    f, width, heads = nn.functional, VIT["hidden_size"], VIT["num_attention_heads"]
    stem = "embeddings.patch_embedding."
    x = f.conv2d(pixels, w[stem + "weight"], w[stem + "bias"], stride=VIT["patch_size"])
    x = torch.cat([w["embeddings.class_embedding"].expand(len(x), -1, -1), x.flatten(2).mT], 1)
    x = x + w["embeddings.position_embedding"]
    for layer in range(VIT["num_hidden_layers"]):

        def get(name, start=f"encoder.layers.{layer}."):
            return w[f"{start}{name}.weight"], w[f"{start}{name}.bias"]

        qkv = f.linear(f.layer_norm(x, (width,), *get("norm1"), 1e-6), *get("attn.qkv"))
        q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        attended = f.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + f.linear(attended, *get("attn.proj")) * w[f"encoder.layers.{layer}.ls1"]
        inner = f.gelu(f.linear(f.layer_norm(x, (width,), *get("norm2"), 1e-6), *get("mlp.fc1")))
        x = x + f.linear(inner, *get("mlp.fc2")) * w[f"encoder.layers.{layer}.ls2"]
    return x[:, 1:].unflatten(1, (4, 4))


def pixel_shuffle_v2(x: torch.Tensor) -> torch.Tensor:
    """InternVL's `ps_version` v2 with ratio 1/2: (n, w, h, c) -> (n, tokens, 4c)."""
    n, w, h, c = x.shape
    x = x.view(n, w, h // 2, c * 2).permute(0, 2, 1, 3).contiguous()
    x = x.view(n, h // 2, w // 2, c * 4).permute(0, 2, 1, 3)
    return x.reshape(n, -1, c * 4)


def mlp1() -> nn.Module:
    width = 4 * VIT["hidden_size"]
    layers = nn.LayerNorm(width), nn.Linear(width, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)
    return randomise(nn.Sequential(*layers))


def second_projector() -> nn.Module:
    """The reference's `mlp2`, for SAM's 4x4 patches of 8 channels."""
    width = 16 * SAM["output_channels"]
    layers = nn.LayerNorm(width), nn.Linear(width, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)
    return randomise(nn.Sequential(*layers))


def language_model(kind: str, vocabulary: int, tied: bool = False) -> nn.Module:
    """A Llama (for "internlm2" too, the same computation) or a Qwen2."""
    make, config = (Qwen2ForCausalLM, Qwen2Config) if kind == "qwen2" else (LlamaForCausalLM, LlamaConfig)
    model = make(
        config(
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=80,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=KV_HEADS,
            max_position_embeddings=1024,
            tie_word_embeddings=tied,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        )
    )
    return randomise(model)


def language_json(model: nn.Module, kind: str) -> dict:
    """Its configuration as transformers 4 wrote it."""
    c = model.config
    shared = {
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads,
        "max_position_embeddings": c.max_position_embeddings,
        "rms_norm_eps": c.rms_norm_eps,
        "rope_theta": 1e6,
        "rope_scaling": None,
        "hidden_act": "silu",
        "tie_word_embeddings": c.tie_word_embeddings,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        # Of these, transformers 5 knows some no more and refuses others in a configuration.
        "attn_implementation": "flash_attention_2",
        "torch_dtype": "bfloat16",
        "max_length": 20,
        "num_beams": 1,
        "pruned_heads": {},
    }
    own = {
        "internlm2": {
            "architectures": ["InternLM2ForCausalLM"],
            "model_type": "internlm2",
            "bias": False,
            "rope_scaling": {"type": "dynamic", "factor": 2.0},
            "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config"},
        },
        "llama": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False},
        "qwen2": {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "use_sliding_window": False,
            "sliding_window": 32768,
            "max_window_layers": 24,
        },
    }
    return {**shared, **own[kind]}


def language_weights(model: nn.Module, kind: str) -> dict[str, torch.Tensor]:
    """Its weights under the names of its published checkpoints."""
    weights = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    if kind != "internlm2":
        return weights
    renamed = {
        "model.tok_embeddings.weight": weights["model.embed_tokens.weight"],
        "model.norm.weight": weights["model.norm.weight"],
        "output.weight": weights["lm_head.weight"],
    }
    names = {
        "attention.wo": "self_attn.o_proj",
        "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj",
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    head = WIDTH // HEADS
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        for theirs, ours in names.items():
            renamed[f"{start}{theirs}.weight"] = weights[f"{start}{ours}.weight"]
        q, k, v = (weights[f"{start}self_attn.{letter}_proj.weight"].split(head) for letter in "qkv")
        # For each key-value head: its two query heads, its key, its value.
        rows = [row for i in range(KV_HEADS) for row in (q[2 * i], q[2 * i + 1], k[i], v[i])]
        renamed[f"{start}attention.wqkv.weight"] = torch.cat(rows)
    return renamed


def write_tokenizer(folder: Path, kind: str) -> int:
    """A tokenizer in the files that this kind of repository has; returns its number of tokens."""
    if kind == "llama":
        tokenizer = train_tokenizer(TEXTS, 300)
        tokenizer.save_pretrained(folder)
        return len(tokenizer)
    if kind == "qwen2":
        bpe = ByteLevelBPETokenizer()
        bpe.train_from_iterator(TEXTS, 300, show_progress=False)
        bpe.save_model(str(folder))
        count = bpe.get_vocab_size()
        added = {count + i: t for i, t in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))}
        named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "tokenizer_class": "Qwen2Tokenizer"}
        write_tokenizer_config(folder, added, **named)
        return count + 3
    model = sentencepiece_model()
    (folder / "tokenizer.model").write_bytes(model)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    count, unused = pieces.get_piece_size(), pieces.piece_to_id("[UNUSED_TOKEN_0]")
    added = {0: "<unk>", 1: "<s>", 2: "</s>", unused: "<|im_end|>", unused + 1: "<|im_start|>"}
    added |= {count: "<img>", count + 1: "</img>", count + 2: "<IMG_CONTEXT>", count + 3: "<ref>"}
    write_tokenizer_config(
        folder,
        added,
        add_bos_token=True,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        tokenizer_class="InternLM2Tokenizer",
        auto_map={"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
    )
    return count + 4


def sentencepiece_model(**options) -> bytes:
    """As InternLM2's: BPE with bytes for what it has no piece for, and pieces left unused."""
    model = io.BytesIO()
    settings = {
        "vocab_size": 360,
        "model_type": "bpe",
        "byte_fallback": True,
        "character_coverage": 0.98,
        "normalization_rule_name": "identity",
        "user_defined_symbols": [f"[UNUSED_TOKEN_{i}]" for i in range(4)],
        "minloglevel": 2,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, **{**settings, **options}
    )
    return model.getvalue()


def write_tokenizer_config(folder: Path, added: dict[int, str], **fields) -> None:
    token = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
    fields["added_tokens_decoder"] = {str(i): {"content": text, **token} for i, text in added.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))


def write_weights(folder: Path, weights: dict[str, torch.Tensor], shards: int = 1) -> None:
    tensors = {name: tensor.clone().contiguous() for name, tensor in weights.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(tensors.items())[i::shards])
        save_file(part, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map})
    )


def write_internvl(folder: Path, kind: str = "internlm2", shards: int = 1, tied: bool = False) -> tuple:
    """An InternVL folder as on the hub; returns its weights, its mlp1 and its language model."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    projector, llm = mlp1(), language_model(kind, write_tokenizer(folder, kind), tied)
    weights = internvit_weights("vision_model.")
    weights |= {f"mlp1.{name}": tensor for name, tensor in projector.state_dict().items()}
    weights |= {f"language_model.{name}": tensor for name, tensor in language_weights(llm, kind).items()}
    write_weights(folder, weights, shards)
    config = {
        "architectures": ["InternVLChatModel"],
        "model_type": "internvl_chat",
        "auto_map": {"AutoConfig": "configuration_internvl_chat.InternVLChatConfig"},
        "vision_config": VIT,
        "llm_config": language_json(llm, kind),
        "force_image_size": 56,
        "downsample_ratio": 0.5,
        "ps_version": "v2",
        "select_layer": -1,
        "pad2square": False,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 12,
        "use_thumbnail": True,
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "template": {"internlm2": "internlm2-chat", "qwen2": "Hermes-2", "llama": "internvl2_5"}[kind],
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n")
    return weights, projector, llm


def write_sam(folder: Path) -> SamModel:
    """transformers' SAM, as `facebook/sam-vit-large` is."""
    torch.manual_seed(1)
    sam = randomise(SamModel(SamConfig(vision_config=SAM)))
    sam.save_pretrained(folder)
    return sam


def write_segment_anything(
    file: Path, whole: bool = True, window: int = SAM["window_size"]
) -> ImageEncoderViT:
    """segment-anything's own file, whole as published or the encoder alone."""
    torch.manual_seed(2)
    encoder = ImageEncoderViT(
        img_size=SAM["image_size"],
        patch_size=SAM["patch_size"],
        embed_dim=SAM["hidden_size"],
        depth=SAM["num_hidden_layers"],
        num_heads=SAM["num_attention_heads"],
        mlp_ratio=2,
        out_chans=SAM["output_channels"],
        qkv_bias=True,
        use_rel_pos=True,
        window_size=window,
        global_attn_indexes=tuple(SAM["global_attn_indexes"]),
        norm_layer=lambda width: nn.LayerNorm(width, eps=1e-6),
    )
    randomise(encoder)
    model = encoder
    if whole:
        transformer = TwoWayTransformer(depth=1, embedding_dim=8, num_heads=2, mlp_dim=8)
        prompts = PromptEncoder(8, (8, 8), (128, 128), mask_in_chans=4)
        model = Sam(encoder, prompts, MaskDecoder(transformer_dim=8, transformer=transformer))
    torch.save(model.state_dict(), file)
    return encoder
