"""LEO: vision branches, projectors, fusion and a language model, as one transformers model.

Source: arXiv 2501.06986, section 3; every part is checked against the reference's values in tests/model.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GenerationConfig, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from leo_drive.model.branch import Branch, Projector
from leo_drive.model.config import LeoConfig
from leo_drive.model.fusion import FUSIONS

PixelValues = list[torch.Tensor]


class LeoForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Driving frames and a question in, an answer out.

    `pixel_values` is a list with one (tiles, 3, H, W) tensor a branch: all tiles of all samples of the
    batch, in the order in which their image tokens stand in `input_ids`. Without it this is the plain
    language model.
    """

    config_class = LeoConfig
    config: LeoConfig
    base_model_prefix = "language_model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _can_compile_fullgraph = False
    # Kept on one device by `device_map` and wrapped whole by FSDP.
    _no_split_modules = ["Block", "LlamaDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer"]  # noqa: RUF012

    def __init__(self, config: LeoConfig) -> None:
        super().__init__(config)
        self.fusion = FUSIONS[config.fusion]
        branches = config.branch_configs
        d_llm = config.llm.hidden_size
        self.branches = nn.ModuleList(Branch(b) for b in branches)
        self.projectors = nn.ModuleList(
            Projector(*widths) for widths in self.fusion.projector_widths(branches, d_llm)
        )
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # timm's encoders initialise themselves; post_init reaches the rest.
        if isinstance(module, Projector):
            for layer in module:
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=self.config.initializer_range)
                    nn.init.zeros_(layer.bias)

    @property
    def vision_branches(self) -> list[Branch]:
        """The branches, typed."""
        return [cast(Branch, branch) for branch in self.branches]

    # The language model's embeddings and head are the whole model's.
    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_output_embeddings(value)

    def get_decoder(self, modality: str | None = None) -> nn.Module:
        return self.language_model.get_decoder()

    def _set_gradient_checkpointing(self, enable: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        # transformers switches its own layers; timm's encoders have a switch of their own.
        super()._set_gradient_checkpointing(enable=enable, **kwargs)
        for branch in self.vision_branches:
            branch.encoder.set_grad_checkpointing(enable)

    def branch_tokens(self, pixel_values: PixelValues) -> list[torch.Tensor]:
        """Each branch's tokens after its projector and before fusion.

        Args:
            pixel_values: one (tiles, 3, image_size, image_size) tensor a branch, normalised.

        Returns:
            One (tiles, tokens, d_llm) tensor a branch. With channel fusion the widths add up to d_llm; with
            one projector for all branches (pre-adaptation) these are the tokens before it.

        Raises:
            ValueError: not one tensor a branch, or different numbers of tiles.
        """
        return self._adapt(self.branch_features(pixel_values))

    def branch_features(self, pixel_values: PixelValues) -> list[torch.Tensor]:
        """Each branch's unshuffled tokens before any projector: (tiles, tokens, width * unshuffle**2) each.

        These depend on the encoders alone, so they can be computed once while those are frozen.
        """
        if len(pixel_values) != len(self.branches):
            raise ValueError(
                f"pixel_values holds {len(pixel_values)} tensors, the model has {len(self.branches)} branches"
            )
        if len({p.shape[0] for p in pixel_values}) > 1:
            raise ValueError(f"branches differ in tiles: {[p.shape[0] for p in pixel_values]}")
        return [
            branch(pixels.to(dtype=self.dtype, device=self.device))
            for branch, pixels in zip(self.vision_branches, pixel_values, strict=True)
        ]

    def project(self, features: list[torch.Tensor]) -> torch.Tensor:
        """From `branch_features` to what the language model sees: (tiles, tokens_per_tile, d_llm)."""
        fused = self.fusion.join(self._adapt(features))
        return self.projectors[0](fused) if self.fusion.one_projector else fused

    def visual_tokens(self, pixel_values: PixelValues) -> torch.Tensor:
        """What the language model sees: (tiles, tokens_per_tile, d_llm)."""
        return self.project(self.branch_features(pixel_values))

    def _adapt(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        if self.fusion.one_projector:
            return features
        return [projector(f) for projector, f in zip(self.projectors, features, strict=True)]

    def embed(self, input_ids: torch.Tensor, visual_tokens: torch.Tensor | None) -> torch.Tensor:
        """Embed the text and put the visual tokens where the image tokens stand.

        Args:
            input_ids: (batch, length).
            visual_tokens: (tiles, tokens_per_tile, d_llm) of all samples in order, or None.

        Returns:
            (batch, length, d_llm)

        Raises:
            ValueError: there are more or fewer image tokens than visual tokens. The reference cuts the
                visual tokens and zeroes the loss here, which hides a prompt that was cut at the context.
        """
        embeds = self.get_input_embeddings()(input_ids)
        if visual_tokens is None:
            return embeds
        places = input_ids == self.config.image_token_id
        wanted, given = int(places.sum()), visual_tokens.shape[0] * visual_tokens.shape[1]
        if wanted != given:
            raise ValueError(
                f"the prompt has {wanted} image tokens but {visual_tokens.shape[0]} tiles give {given} "
                f"visual tokens; was the prompt cut?"
            )
        return embeds.masked_scatter(places.unsqueeze(-1), visual_tokens.to(embeds))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: PixelValues | None = None,
        labels: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        visual_tokens: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """One pass.

        Args:
            input_ids: (batch, length), with the image token repeated where visual tokens go.
            attention_mask: (batch, length) of 1 and 0, or a 4D mask passed on as it is.
            pixel_values: one (tiles, 3, H, W) tensor a branch, all samples' tiles in order.
            labels: (batch, length), -100 where there is no loss.
            visual_tokens: (tiles, tokens_per_tile, d_llm) computed before, instead of pixel_values.

        Returns:
            logits (batch, length, vocabulary) and, with labels, the mean next-token cross-entropy.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("give input_ids or inputs_embeds")
            if pixel_values is not None:
                visual_tokens = self.visual_tokens(pixel_values)
            inputs_embeds = self.embed(input_ids, visual_tokens)
        return self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        *args: Any,
        inputs_embeds: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What transformers' `generate` gives to a pass.

        Args:
            inputs_embeds: (batch, prompt length, d_llm), a prompt without token ids.
            prompt_embeds: (batch, prompt length, d_llm), the embedded prompt with its visual tokens;
                whichever part of it a pass covers is read in place of the token ids.
        """
        # The annotations of transformers describe its own models alone.
        given = cast(Any, super()).prepare_inputs_for_generation(
            input_ids, *args, inputs_embeds=inputs_embeds, **kwargs
        )
        if prompt_embeds is not None:
            ids, cache = given["input_ids"], given.get("past_key_values")
            start = 0 if cache is None else int(cache.get_seq_length())
            seen = prompt_embeds[:, start : start + ids.shape[1]]
            if seen.shape[1]:
                given["input_ids"] = None
                given["inputs_embeds"] = torch.cat([seen, self.embed(ids[:, seen.shape[1] :], None)], dim=1)
        return given

    def _get_candidate_generator(self, **given: Any) -> Any:  # type: ignore[override]
        # An assistant that is a plain language model drafts from the text alone.
        if not isinstance(given["assistant_model"], LeoForConditionalGeneration):
            shown = given["model_kwargs"]
            given["model_kwargs"] = {key: v for key, v in shown.items() if key != "prompt_embeds"}
        return cast(Any, super())._get_candidate_generator(**given)

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        inputs: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        *,
        pixel_values: PixelValues | None = None,
        visual_tokens: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """transformers' `generate`, every option of it; returns the prompt followed by the new tokens.

        The tiles are encoded once, before decoding, so that beams and sampled sequences share them.
        """
        input_ids = inputs if inputs is not None else kwargs.pop("input_ids", None)
        if pixel_values is not None:
            visual_tokens = self.visual_tokens(pixel_values)
        if visual_tokens is not None:
            # Not as inputs_embeds, which transformers reads in the first pass alone: assisted decoding and a
            # prefill in chunks would go on without the pictures.
            kwargs["prompt_embeds"] = self.embed(input_ids, visual_tokens)
        return super().generate(input_ids, generation_config, **kwargs)  # type: ignore[misc]
