"""Encoded pictures on disk, so that frozen encoders run once a picture and not once a step.

A picture's file lies under the encoders' hash, named by the picture's content and its tiles: a changed
encoder, picture or tiling never finds another one's encoding, several runs and processes can share a folder,
and a build that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from leo_drive.errors import LeoDriveError
from leo_drive.files import replacing, require_room, writable_folder
from leo_drive.model import BranchConfig, LeoForConditionalGeneration

_BYTES = 2  # of a bfloat16


def encoders_hash(leo: LeoForConditionalGeneration) -> str:
    """Of everything but the picture that an encoding depends on: settings of tiles and branches, weights."""
    settings = [leo.config.tile_size, leo.config.use_thumbnail, leo.config.branches]
    digest = hashlib.blake2s(json.dumps(settings, sort_keys=True, default=vars).encode())
    for name, tensor in sorted(leo.branches.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def picture_key(data: bytes, max_tiles: int) -> str:
    """Of a picture, as the bytes of its file, cut into at most so many tiles."""
    return hashlib.blake2s(data, key=str(max_tiles).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class VisionCache:
    """The encodings of one model's branches, a file a picture.

    Attributes:
        folder: of this model's encodings, see `of`.
    """

    folder: Path

    @classmethod
    def of(cls, folder: Path, leo: LeoForConditionalGeneration) -> VisionCache:
        """The model's own part of a folder that all models share."""
        return cls(writable_folder(folder / encoders_hash(leo)))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def read(self, key: str) -> list[torch.Tensor]:
        """A picture's tokens before the projectors: one (tiles, tokens, width) tensor a branch, bfloat16.

        Raises:
            LeoDriveError: the file is gone or damaged.
        """
        try:
            tensors = load_file(self._path(key))
        except (OSError, SafetensorError) as error:
            raise LeoDriveError(
                f"{self._path(key)}: the picture's encoding cannot be read ({error}); remove the file and "
                f"start again, it is made anew"
            ) from None
        return [tensors[str(branch)] for branch in range(len(tensors))]

    def write(self, key: str, tokens: Sequence[torch.Tensor]) -> None:
        """Keep a picture's tokens, given as `read` returns them.

        Raises:
            LeoDriveError: the disk takes no more.
        """
        path = self._path(key)
        tensors = {str(b): t.to("cpu", torch.bfloat16).contiguous() for b, t in enumerate(tokens)}
        try:
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as unfinished:
                save_file(tensors, unfinished)
        except (OSError, SafetensorError) as error:
            raise LeoDriveError(
                f"{path}: cannot be written ({error}); make room or train without vision_cache"
            ) from None


def bytes_a_tile(branches: Sequence[BranchConfig]) -> int:
    """What a tile's encoding takes on disk."""
    return _BYTES * sum(branch.tokens * branch.token_width for branch in branches)


@torch.no_grad()
def fill(
    cache: VisionCache,
    leo: LeoForConditionalGeneration,
    pictures: Iterable[tuple[str, Callable[[], list[torch.Tensor]]]],
    done: Callable[[int], None] = lambda count: None,
) -> None:
    """Encode what is not in the cache yet.

    Args:
        leo: the model whose cache it is.
        pictures: the key of each, and what reads its pixel values: one (tiles, 3, H, W) tensor a branch.
        done: called with how many pictures have been seen to.

    Raises:
        InputError: the disk has no room for more.
    """
    of_a_tile = bytes_a_tile(leo.config.branch_configs)
    leo.eval()
    for count, (key, pixel_values) in enumerate(pictures):
        done(count)
        if key in cache:
            continue
        pixels = pixel_values()
        # Twice, since a disk is not used to its last byte.
        needed = 2 * of_a_tile * pixels[0].shape[0]
        require_room(cache.folder, needed, "the next picture", "make room or train without vision_cache")
        cache.write(key, leo.branch_features(pixels))
