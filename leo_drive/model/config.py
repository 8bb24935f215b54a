"""LEO's configuration: a list of vision branches, how they are fused, and the language model.

The defaults are the paper's model (arXiv 2501.06986, section 3): InternViT-300M at 448 pixels and SAM-L at
1024, unshuffled by 2 and by 4 to 16x16 tokens each, interleaved, read by a Llama-like language model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

IMAGE_START, IMAGE_TOKEN, IMAGE_END = "<img>", "<IMG_CONTEXT>", "</img>"
POOLINGS = ("unshuffle", "average", "max")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BranchConfig:
    """One vision branch: a timm encoder, the size of its input, and its unshuffle factor.

    Attributes:
        encoder: a timm model name.
        encoder_args: keyword arguments of `timm.create_model`, to make it smaller or change its depth.
        image_size: the encoder's square input, in pixels.
        grid: patches along one side of the encoder's output.
        width: channels of the encoder's output (SAM: of its neck).
        unshuffle: how many patches along each side become one token.
        unshuffle_order: "patch" stacks whole patches, row by row (InternVL's `ps_version` v2);
            "channel" keeps one channel's patches together (`torch.nn.functional.pixel_unshuffle`).
        resample: how a tile is resized to `image_size`.
        mean, std: of the normalised pixel values, per RGB channel.
        pooling: what becomes of a token's patches. "unshuffle" keeps them all, as channels (LEO's); "average"
            and "max" keep one value a channel, to compare with.
    """

    encoder: str
    image_size: int
    grid: int
    width: int
    unshuffle: int
    encoder_args: dict[str, Any] = field(default_factory=dict)
    unshuffle_order: Literal["patch", "channel"] = "patch"
    resample: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pooling: Literal["unshuffle", "average", "max"] = "unshuffle"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"{self.encoder}: pooling={self.pooling!r} is not one of {', '.join(POOLINGS)}")
        if self.grid % self.unshuffle:
            raise ValueError(
                f"{self.encoder}: a grid of {self.grid}x{self.grid} patches does not divide by "
                f"unshuffle={self.unshuffle}"
            )

    @property
    def tokens(self) -> int:
        """Tokens a tile, after unshuffling or pooling."""
        return (self.grid // self.unshuffle) ** 2

    @property
    def token_width(self) -> int:
        """Channels of a token before its projector."""
        return self.width * (self.unshuffle**2 if self.pooling == "unshuffle" else 1)


INTERNVIT_300M = BranchConfig("vit_intern300m_patch14_448", image_size=448, grid=32, width=1024, unshuffle=2)
SAM_L = BranchConfig(
    "samvit_large_patch16",
    image_size=1024,
    grid=64,
    width=256,
    unshuffle=4,
    unshuffle_order="channel",
    resample="bilinear",
)


class LeoConfig(PreTrainedConfig):
    """Configuration of `LeoForConditionalGeneration`.

    Args:
        text_config: the language model's configuration (any transformers causal model; LEO's is Llama-like).
        branches: one dictionary a branch, with the fields of `BranchConfig`.
        fusion: how the branches' tokens are joined, one of `leo_drive.model.fusion.FUSIONS`.
        tile_size: pixels along one side of a tile cut from a frame.
        max_tiles: most tiles of one image, before the thumbnail.
        use_thumbnail: add the whole image as one more tile when there is more than one.
        image_token_id: the token that is replaced by a visual token.
        system_message: what the prompt's system turn says.
        trained_frames: frames a clip had when the model was trained, the default for questions.
        confidence_temperature: divides the log-probabilities that `Answer.confidence` is made of.

    Example:
        >>> config = LeoConfig()
        >>> config.tokens_per_tile
        512
    """

    model_type = "leo"
    sub_configs_defaults: ClassVar = {
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama")
    }

    text_config: dict | PreTrainedConfig | None = None
    branches: list | None = None
    fusion: str = "interleave"
    tile_size: int = 448
    max_tiles: int = 6
    use_thumbnail: bool = True
    image_token_id: int = 0
    system_message: str = "You are LEO, an assistant that answers questions about driving video."
    trained_frames: int = 5
    initializer_range: float = 0.02
    confidence_temperature: float = 1.0
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        branches = self.branches if self.branches is not None else [INTERNVIT_300M, SAM_L]
        # Stored as plain JSON so that config.json is readable and the round trip is exact.
        self.branches = [_plain(b) for b in branches]
        super().__post_init__(**kwargs)
        # The embeddings belong to the language model: its configuration decides, the wrapper follows.
        self.tie_word_embeddings = bool(self.llm.tie_word_embeddings)
        self._check_values()
        from leo_drive.model.fusion import FUSIONS

        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion={self.fusion!r} is not one of {', '.join(FUSIONS)}")
        FUSIONS[self.fusion].check(self.branch_configs)

    def _check_values(self) -> None:
        if not self.branches:
            raise ValueError("branches is empty: LEO sees through one or more")
        for name in ("tile_size", "max_tiles", "trained_frames", "confidence_temperature"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{name}={value!r} is not a number above 0")
        if not isinstance(self.system_message, str):
            raise ValueError(f"system_message={self.system_message!r} is no text")

    @property
    def llm(self) -> PreTrainedConfig:
        """The language model's configuration, typed."""
        assert isinstance(self.text_config, PreTrainedConfig)
        return self.text_config

    @property
    def branch_configs(self) -> list[BranchConfig]:
        """The branches as typed values."""
        branches = self.branches or []
        return [BranchConfig(**{**b, "mean": tuple(b["mean"]), "std": tuple(b["std"])}) for b in branches]

    @property
    def tokens_per_tile(self) -> int:
        """Visual tokens the language model reads for one tile (LEO: 512)."""
        from leo_drive.model.fusion import FUSIONS

        return FUSIONS[self.fusion].tokens([b.tokens for b in self.branch_configs])

    @property
    def context_length(self) -> int:
        """Most tokens of a prompt with its answer."""
        return int(self.llm.max_position_embeddings)


def _plain(branch: BranchConfig | dict[str, Any]) -> dict[str, Any]:
    typed = branch if isinstance(branch, BranchConfig) else BranchConfig(**branch)
    values = asdict(typed)
    return {**values, "mean": list(typed.mean), "std": list(typed.std)}
