"""transformers' Trainer with LEO's extras: packed conversations and the branches' dense loss."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sized
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import SequentialSampler
from transformers import EvalPrediction, Trainer

from leo_drive.errors import LeoDriveError
from leo_drive.model import LeoForConditionalGeneration
from training.dense import DenseHeads
from training.packing import IGNORE

LOSSES = ("answer_loss", "dense_loss")


class TrainingModel(nn.Module):
    """LEO and, while it learns, its dense heads: one module for the optimizer and the checkpoints.

    Args:
        sharded: the weights are shared out to processes, which load only checkpoints that hold all of them;
            otherwise checkpoints leave out what is frozen.
        encoded: pictures come as features, from a vision cache.
    """

    def __init__(
        self,
        leo: LeoForConditionalGeneration,
        answer_weight: float,
        dense_weight: float,
        sharded: bool = False,
        encoded: bool = False,
    ) -> None:
        super().__init__()
        self.sharded, self.encoded = sharded, encoded
        self.leo = leo
        self.weights = {"answer_loss": answer_weight, "dense_loss": dense_weight}
        self.dense = DenseHeads(leo) if dense_weight else None

    def forward(
        self,
        pixels: list[torch.Tensor] | None = None,
        features: list[torch.Tensor] | None = None,
        label_maps: torch.Tensor | None = None,
        coarse: torch.Tensor | None = None,
        clips: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        each: bool = False,
        **text: torch.Tensor,
    ) -> dict[str, torch.Tensor] | torch.Tensor:
        """The losses, unweighted.

        Args:
            pixels: one (tiles, 3, H, W) tensor a branch, or
            features: the branches' unshuffled tokens, computed before; text alone has neither.
            label_maps, coarse: as `DenseHeads` has them; without them there is no dense loss.
            clips: (tiles,) which clip of the batch each label map is of.
            num_items_in_batch: what to divide the sum over answer tokens by; their number here unless told.
            each: of every clip, rather than of all together.
            text: input_ids, attention_mask, position_ids and labels.

        Returns:
            The losses by name: of answers over their tokens, of label maps the mean over clips, of each over
            its tiles, so that it is the same however the clips are shared out. With `each` (clips, 4): of
            every clip, the sum over its answers' tokens, their number, the loss of its label maps, and
            whether it has any.
        """
        answers: torch.Tensor | None = None
        dense: torch.Tensor | None = None
        branches = self.leo.vision_branches
        text_alone = pixels is None and features is None
        if text_alone:
            pixels, features = self._unseen_tile()
        if pixels is not None:
            grids = [branch.grid(p.to(self.leo.dtype)) for branch, p in zip(branches, pixels, strict=True)]
            features = [branch.tokens(grid) for branch, grid in zip(branches, grids, strict=True)]
            if self.dense is not None and label_maps is not None and coarse is not None and clips is not None:
                count = len(text["labels"]) if "labels" in text else len(label_maps)
                dense = _by_clip(self.dense(grids, pixels, label_maps, coarse), clips, count)
        if self.weights["answer_loss"]:
            assert features is not None
            visual_tokens = self.leo.project([f.to(self.leo.dtype) for f in features])
            embeds = self.leo.embed(text.pop("input_ids"), None if text_alone else visual_tokens)
            if text_alone:
                embeds = embeds + 0 * visual_tokens.sum()
            answers = self._answer_losses(embeds, text.pop("labels"), text)
        if each:
            known = [part for part in (answers, dense) if part is not None]
            none = known[0].new_zeros(len(known[0]), 2)
            return torch.cat([none if part is None else part for part in (answers, dense)], dim=1)
        losses: dict[str, torch.Tensor] = {}
        if dense is not None:
            losses["dense_loss"] = dense[:, 0].sum() / dense[:, 1].sum()
        if answers is not None:
            tokens = answers[:, 1].sum() if num_items_in_batch is None else num_items_in_batch
            losses["answer_loss"] = answers[:, 0].sum() / tokens
        return losses

    def _answer_losses(
        self, embeds: torch.Tensor, labels: torch.Tensor, text: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """(clips, 2): sum of the next-token cross-entropy over answers' tokens, and their number.

        Logits are computed only where an answer's token is learned.

        Frames, questions and padding need none, and of a large vocabulary theirs would take gigabytes.
        """
        targets = labels[:, 1:]
        learned = (targets != IGNORE).any(0).nonzero().squeeze(1)
        logits = self.leo(**text, inputs_embeds=embeds, logits_to_keep=learned, use_cache=False).logits
        wanted = targets[:, learned].flatten()
        tokens = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), wanted, ignore_index=IGNORE, reduction="none"
        )
        sums = tokens.view(len(labels), -1).sum(1)
        return torch.stack([sums, (targets != IGNORE).sum(1).to(sums)], dim=1)

    def _unseen_tile(self) -> tuple[list[torch.Tensor] | None, list[torch.Tensor] | None]:
        """An empty tile: its pixels, or its features where pictures come encoded.

        Text alone has no use for encoders and projectors, but where it is all that one process has they must
        run, forward and backward, all the same: sharded weights are gathered by all processes together and in
        the same order, and with a frozen language model the loss would have no gradient at all.
        """
        new = next(self.leo.projectors.parameters()).new_zeros
        configs = [branch.config for branch in self.leo.vision_branches]
        if self.encoded:
            return None, [new(1, c.tokens, c.token_width) for c in configs]
        return [new(1, 3, c.image_size, c.image_size) for c in configs], None

    @property
    def _keys_to_ignore_on_save(self) -> list[str]:
        # Where Trainer looks for the names that a checkpoint leaves out on purpose: tied weights, which it
        # then ties again, and frozen ones, which the starting model has.
        every = self.named_parameters(remove_duplicate=False)
        frozen = [name for name, parameter in every if not parameter.requires_grad]
        return [*(f"leo.{tied}" for tied in self.leo.all_tied_weights_keys), *frozen]

    @property
    def _no_split_modules(self) -> list[str]:
        # Where FSDP looks for the layers to shard one by one; it refuses names that the model does not have.
        present = {type(module).__name__ for module in self.leo.modules()}
        return [name for name in self.leo._no_split_modules or () if name in present]

    def tie_weights(self) -> None:
        """The tied weights are LEO's."""
        self.leo.tie_weights()

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """What learns, and tied weights once: safetensors refuses two names for one tensor."""
        state = super().state_dict(*args, **kwargs)
        if self.sharded:
            return state
        # A caller may ask under a prefix, as torch does for nested modules.
        left_out = {f"{kwargs.get('prefix', '')}{name}" for name in self._keys_to_ignore_on_save}
        for name in list(state):
            # Weights in four bits have their scales under their own names: weight.absmax and others.
            owner, found, _ = name.partition(".weight.")
            if name in left_out or (found and f"{owner}.weight" in left_out):
                del state[name]
        return state


def _by_clip(tiles: torch.Tensor, clips: torch.Tensor, count: int) -> torch.Tensor:
    """(count, 2): the mean over each clip's tiles, and whether it has any."""
    there = torch.bincount(clips, minlength=count)
    sums = tiles.new_zeros(count).index_add(0, clips, tiles)
    return torch.stack([sums / there.clamp_min(1), (there > 0).to(sums)], dim=1)


def freeze_all_but(leo: LeoForConditionalGeneration, parts: tuple[str, ...]) -> None:
    """Only the named parts (attributes of the model) keep learning."""
    leo.requires_grad_(False)
    for part in parts:
        getattr(leo, part).requires_grad_(True)


class LeoTrainer(Trainer):
    """Draws in their order, each loss divided by the whole batch, over all its parts and processes."""

    # compute_loss divides by the number of accumulated parts itself, where a loss is not divided by tokens.
    loss_is_scaled_for_ga = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(compute_metrics=self._held_out_loss, **kwargs)
        self._sums: dict[str, float] = defaultdict(float)

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        # The draws are shuffled already, in a way that does not depend on the number of processes.
        return SequentialSampler(cast(Sized, self.train_dataset if train_dataset is None else train_dataset))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        losses = model(**inputs, num_items_in_batch=num_items_in_batch)
        processes = self.accelerator.num_processes
        if "answer_loss" in losses and num_items_in_batch is not None:
            # Already divided by the tokens of all processes, whose gradients are then averaged.
            losses["answer_loss"] = losses["answer_loss"] * processes
        if "dense_loss" in losses and model.training:
            losses["dense_loss"] = losses["dense_loss"] / self.current_gradient_accumulation_steps
        weights = self.accelerator.unwrap_model(model).weights
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        self._refuse_no_number(loss.item())
        if model.training:
            self._sums["steps"] += 1 / self.current_gradient_accumulation_steps
            for name, value in losses.items():
                self._sums[name] += float(value.detach())
            if (labels := inputs.get("labels")) is not None:
                self._sums["answers"] += int(((labels[:, 1:] != IGNORE) & (labels[:, :-1] == IGNORE)).sum())
        return (loss, {"loss": loss}) if return_outputs else loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Every clip's losses, where Trainer looks for predictions and for what they should be.

        Of a batch's mean it would make a mean over batches, which depends on their size and number.
        """
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            losses = model(**inputs, each=True).float()
        return None, losses, losses

    def _held_out_loss(self, found: EvalPrediction) -> dict[str, float]:
        """The loss over all held-out clips as if they were one batch."""
        answers, tokens, dense, clips = map(float, np.sum(found.predictions, axis=0, dtype=np.float64))
        means = {"answer_loss": answers / max(tokens, 1), "dense_loss": dense / max(clips, 1)}
        weights = self.accelerator.unwrap_model(self.model).weights
        loss = sum(weights[name] * mean for name, mean in means.items())
        self._refuse_no_number(loss)
        return {"loss": loss}

    def _refuse_no_number(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise LeoDriveError(
                f"step {self.state.global_step + 1}: the loss is {loss}; nothing of this step was "
                f"kept, the last checkpoint is good. Begin anew with a lower learning_rate and another "
                f"output, or look at the data with --check"
            )

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        # Trainer gives back the best of those checkpoints that there are: of the best weights there is one.
        is_best = super()._determine_best_metric(metrics, trial)
        self.control.should_save |= is_best
        return is_best

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        # A loss is finite before a step that ruins the weights, and they would be kept as the last good ones.
        if not all(p.isfinite().all() for p in model.parameters() if p.requires_grad):
            raise LeoDriveError(
                f"step {self.state.global_step}: the weights are not finite any more and were not kept; "
                f"the last checkpoint is good. Begin anew with a lower learning_rate and another output"
            )
        super()._save_checkpoint(model, trial)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        # DeepSpeed gathers a tied weight under each of its names, and safetensors refuses the second.
        if state_dict is not None:
            tied = {
                f"leo.{name}" for name in self.accelerator.unwrap_model(self.model).leo.all_tied_weights_keys
            }
            state_dict = {name: tensor for name, tensor in state_dict.items() if name not in tied}
        super()._save(output_dir, state_dict)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds each loss by itself, averaged over the steps since the last record, and the answers read."""
        if "loss" in logs and self._sums:
            steps = self._sums.pop("steps")
            # All processes gather the same, also one that had text alone and so nothing of label maps.
            weights = self.accelerator.unwrap_model(self.model).weights
            for name in LOSSES:
                if weights[name]:
                    logs[name] = self._mean_over_processes(self._sums.pop(name, 0.0) / steps)
            if weights["answer_loss"]:
                own = self._mean_over_processes(self._sums.pop("answers", 0.0))
                logs["answers"] = round(own * self.accelerator.num_processes)
        super().log(logs, start_time)

    def _mean_over_processes(self, value: float) -> float:
        gathered = self.accelerator.gather(torch.tensor([value], device=self.accelerator.device))
        return float(gathered.mean())
