"""transformers' Trainer with LEO's two extras: packed questions and the branches' dense loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import nn
from transformers import Trainer

from leo_drive.model import LeoForConditionalGeneration
from leo_drive.model.branch import unshuffle
from training.data import QuestionClips
from training.dense import DenseHeads
from training.recipe import Recipe


class TrainingModel(nn.Module):
    """LEO and, while it learns, its dense heads: one module for the optimizer and the checkpoints."""

    def __init__(self, leo: LeoForConditionalGeneration, dense_weight: float) -> None:
        super().__init__()
        self.leo = leo
        self.dense_weight = dense_weight
        self.dense = DenseHeads(leo) if dense_weight else None

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        labels: torch.Tensor,
        pixels: list[torch.Tensor] | None = None,
        features: list[torch.Tensor] | None = None,
        label_maps: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Features are the branches' unshuffled tokens, computed before; grids come from pixels."""
        grids: list[torch.Tensor] = []
        if features is None:
            assert pixels is not None
            grids = [branch.grid(p) for branch, p in zip(self.leo.vision_branches, pixels, strict=True)]
            features = [
                unshuffle(grid, branch.config.unshuffle, branch.config.unshuffle_order)
                for branch, grid in zip(self.leo.vision_branches, grids, strict=True)
            ]
        outputs = self.leo(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            labels=labels,
            visual_tokens=self.leo.project([f.to(self.leo.dtype) for f in features]),
            num_items_in_batch=num_items_in_batch,
            use_cache=False,
        )
        loss = outputs.loss
        if self.dense is not None and label_maps is not None:
            dense = self.dense(grids, label_maps)
            return {
                "loss": loss + self.dense_weight * dense,
                "answer_loss": loss.detach(),
                "dense_loss": dense.detach(),
            }
        return {"loss": loss}

    @property
    def _keys_to_ignore_on_save(self) -> list[str]:
        # Where Trainer looks for the names that a checkpoint leaves out on purpose; it then ties them again.
        return [f"leo.{tied}" for tied in self.leo.all_tied_weights_keys]

    def tie_weights(self) -> None:
        """The tied weights are LEO's."""
        self.leo.tie_weights()

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Tied weights once: safetensors refuses two names for one tensor, and loading ties them again."""
        state = super().state_dict(*args, **kwargs)
        for name in self._keys_to_ignore_on_save:
            # A caller may ask under a prefix, as torch does for nested modules.
            state.pop(f"{kwargs.get('prefix', '')}{name}", None)
        return state


def freeze_all_but(leo: LeoForConditionalGeneration, parts: tuple[str, ...]) -> None:
    """Only the named parts (attributes of the model) keep learning."""
    leo.requires_grad_(False)
    for part in parts:
        getattr(leo, part).requires_grad_(True)


@torch.no_grad()
def cache_features(leo: LeoForConditionalGeneration, data: QuestionClips, recipe: Recipe) -> None:
    """Encode every item of the data set once; from then on it gives features instead of pixels.

    The features lie in memory maps under the output folder, in float16.
    """
    leo.eval()
    folder = recipe.output / "vision_cache"
    folder.mkdir(parents=True, exist_ok=True)
    maps: list[np.ndarray] = []
    for i in track(range(len(data)), description="encoding frames once"):
        pixels = data.processor.pixel_values(data.tiles(i))
        tokens = [branch(p) for branch, p in zip(leo.vision_branches, pixels, strict=True)]
        if not maps:
            maps = [
                np.lib.format.open_memmap(
                    folder / f"branch{b}.npy", mode="w+", dtype=np.float16, shape=(len(data), *t.shape)
                )
                for b, t in enumerate(tokens)
            ]
        for b, t in enumerate(tokens):
            maps[b][i] = t.numpy().astype(np.float16)
    data.features = maps


class LeoTrainer(Trainer):
    """Logs the two losses apart."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        outputs = model(**inputs)
        if self.state.global_step % self.args.logging_steps == 0 and "dense_loss" in outputs:
            self.log({name: round(float(outputs[name]), 4) for name in ("answer_loss", "dense_loss")})
        return (outputs["loss"], outputs) if return_outputs else outputs["loss"]
