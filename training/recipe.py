"""A recipe: one YAML file that says what is trained, on what, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from leo_drive.data.readers import READERS
from leo_drive.errors import nearest
from leo_drive.yaml_files import read_yaml

CATALOGUE = Path("datasets")
"""Where cards of data sets lie."""
Part = Literal["branches", "projectors", "language_model"]


def _expanded(value: Any) -> Any:
    """A path or text that begins with ~/ as the path that is meant, in options too; else as it is."""
    if isinstance(value, dict):
        return {name: _expanded(item) for name, item in value.items()}
    meant = isinstance(value, Path) or (isinstance(value, str) and value.startswith("~/"))
    return type(value)(Path(value).expanduser()) if meant else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("root", "output", "model", "vision_cache", mode="before", check_fields=False)
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if value == "":
            raise ValueError("is empty: a path that is not set would be the current folder")
        return value

    @field_validator("*")
    @classmethod
    def _home(cls, value: Any) -> Any:
        return _expanded(value)


class DataSource(_Strict):
    """Where examples come from.

    Attributes:
        root: the part's folder or file; with `dataset`, where the whole data set was put.
        dataset: the name of a card in datasets/, which then tells the format, and
        part: which of its parts is meant.
        format: of the part, one of `leo_drive.data.readers.READERS`.
        options: for its reader, such as DriveLM's cameras.
        weight: how often a draw falls on this source, relative to the others; in a recipe with `epochs`, how
            often an epoch goes through it.
        share: the part of the examples that is meant, from and to, chosen by their names alone: with
            [0, 0.98] here and [0.98, 1] in `validation`, a fiftieth is held out.
        frames: how many of an example's last pictures are shown, all unless told, and none with 0: text
            alone. With 1, questions about what happens over time have no answer in the picture, so name the
            kinds to keep out in `without_kinds`. Named pictures, such as DriveLM's cameras, are always shown
            all.
        max_tiles: tiles to share out among the frames; the model's unless told.
        system: the system message of this source's samples; the example's own or the model's unless told.
        labels: folder of label maps, relative to the root: images/train/x/y.jpg has x/y.png in labels/train,
            the folder unless the options or the data set's card say another.
        label_classes: "fine" for all of the generator's classes, "coarse" when the maps hold only the first
            twelve of them, the last of which is then whatever nobody labelled.
    """

    root: Path
    dataset: str | None = None
    part: str | None = None
    format: str = "lingoqa"
    options: dict[str, Any] = {}
    weight: float = Field(1.0, gt=0)
    share: tuple[float, float] = (0.0, 1.0)
    frames: int | None = Field(None, ge=0)
    max_tiles: int | None = Field(None, ge=1)
    system: str | None = None
    without_kinds: tuple[str, ...] = ()
    labels: str | None = None
    label_classes: Literal["fine", "coarse"] = "fine"

    @field_validator("format")
    @classmethod
    def _has_a_reader(cls, value: str) -> str:
        if value not in READERS:
            raise ValueError(f"{value!r:.60} is unknown; {nearest(value, READERS)}")
        return value

    @field_validator("dataset")
    @classmethod
    def _has_a_card(cls, value: str | None) -> str | None:
        if value is not None and not (CATALOGUE / value).is_dir():
            known = [path.parent.name for path in sorted(CATALOGUE.glob("*/card.yaml"))]
            raise ValueError(f"{value}: no such data set in {CATALOGUE}/; {nearest(value, known)}")
        return value

    @model_validator(mode="after")
    def _share_is_one(self) -> DataSource:
        low, high = self.share
        if not 0 <= low < high <= 1:
            raise ValueError(f"share: from and to, between 0 and 1, got {list(self.share)}")
        return self

    @model_validator(mode="after")
    def _part_is_of_a_dataset(self) -> DataSource:
        if self.part is not None and self.dataset is None:
            raise ValueError(f"part {self.part} of which dataset? Name it too, or leave part out")
        return self


class Augmentation(_Strict):
    """Random changes to pictures.

    Attributes:
        colour: strength of changes to brightness, contrast, saturation, tint, blur and noise.
        jpeg: lowest and highest JPEG quality to encode with again; the paper has 75 and 100.
        crop: the smallest part of a picture's area to cut out. Only where label maps alone are learned, as
            are the next two: an answer may not be true of a part or of the mirrored picture.
        mirror: share of pictures that are mirrored.
        paste: share of pictures that things of another picture are put into.
    """

    colour: float = Field(0.0, ge=0, le=1)
    jpeg: tuple[int, int] | None = None
    crop: float = Field(1.0, gt=0, le=1)
    mirror: float = Field(0.0, ge=0, le=1)
    paste: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _jpeg_qualities(self) -> Augmentation:
        if self.jpeg is not None and not 0 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise ValueError(f"jpeg: the lowest and the highest quality, 0 to 100, got {list(self.jpeg)}")
        return self

    @property
    def moves(self) -> bool:
        """Whether anything may be elsewhere in the picture afterwards."""
        return self.crop < 1 or self.mirror > 0 or self.paste > 0

    @property
    def changes_pixels(self) -> bool:
        """Whether a picture looks different each time it is drawn."""
        return self.moves or self.colour > 0 or self.jpeg is not None


class Lora(_Strict):
    """Train low-rank additions to the language model's linear layers instead of the layers (peft)."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)


class Fsdp(_Strict):
    """PyTorch's FSDP 2, as transformers' Trainer sets it up.

    Attributes:
        version: of FSDP; the first one is on its way out.
        reshard_after_forward: share a layer's weights out again between its forward and backward.
        auto_wrap_policy: what is gathered at once: a transformer's layer, any module of `min_num_params` or
            more, or the whole model.
        cpu_offload: keep what is shared out in the main memory.
    """

    version: Literal[2] = 2
    reshard_after_forward: bool = True
    auto_wrap_policy: Literal["TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP"] = (
        "TRANSFORMER_BASED_WRAP"
    )
    min_num_params: int = Field(0, ge=0)
    cpu_offload: bool = False


class Settings(_Strict):
    """What of a `LeoConfig` may change without other weights; None leaves it as it is."""

    trained_frames: int | None = Field(None, ge=1)
    max_tiles: int | None = Field(None, ge=1)
    use_thumbnail: bool | None = None
    system_message: str | None = None


class Recipe(_Strict):
    """One stage of training; paths are relative to where the command is run.

    Attributes:
        model: a model folder to start from, or the name of a new model in `training.new_model`.
        settings: of the model's configuration, in place of those it came with: trained_frames, max_tiles,
            use_thumbnail, system_message.
        train: the parts whose weights move; all others are frozen.
        data: what is learned from.
        validation: held-out data; the checkpoint that does best on it is the result.
        output: folder for checkpoints, records and the finished model.
        steps: optimizer steps, or
        epochs: how often every question is gone through. A clip with more than `max_questions` of them is as
            many clips as it takes.
        batch_size: clips an optimizer step, over all processes.
        micro_batch_size: clips that one process holds at a time; the rest of a batch is accumulated.
        learning_rate, weight_decay, warmup_ratio: of AdamW, decayed along a cosine.
        adam_beta2: of AdamW.
        max_questions: most conversations of one clip in one pass; of more, a random part is drawn where
            `steps` are given.
        max_tokens: most that a conversation may take with its pictures; what the context holds unless told.
        follow_ups: most conversations of a clip that are put behind another one, as if they followed up on it
            (which of them and how many is drawn each time): a model learns to be asked on where its data has
            single questions. 0 leaves each alone.
        answer_weight: weight of the answers' loss; with 0 the branches learn from label maps alone, every
            picture of the data by itself, and the language model is not run.
        dense_weight: weight of the branches' segmentation loss (needs label maps), 0 for none.
        augmentation: random changes to the pictures.
        group_by_length: put clips of like length into one batch.
        drop_path: share of the encoders' residual branches that are skipped.
        lora: train low-rank additions to the language model.
        quantize: load the language model in 4 bits (with `lora`; needs bitsandbytes and a GPU).
        precision: of the computation; "auto" is bfloat16 where a GPU has it.
        weights: the type of the model's weights; bfloat16 halves what frozen parts need. What learns has 32
            bits while it does.
        gradient_checkpointing: compute activations again instead of keeping them.
        vision_cache: folder of encoded pictures, shared by all runs with the same encoders; only with frozen
            branches and without augmentation.
        fsdp: share weights, gradients and optimizer out to the processes.
        deepspeed: a DeepSpeed configuration file, to do that with.
        save_steps, log_steps: optimizer steps between checkpoints, and between records.
        eval_steps: optimizer steps between validations, as many as `save_steps` unless told; `save_steps` are
            a multiple of it. Whatever does best so far is kept, also between two `save_steps`.
        workers: processes that read data.
    """

    model: str
    settings: Settings = Settings()
    train: tuple[Part, ...] = Field(min_length=1)
    data: tuple[DataSource, ...] = Field(min_length=1)
    validation: tuple[DataSource, ...] = ()
    output: Path
    steps: int | None = Field(None, gt=0)
    epochs: float | None = Field(None, gt=0)
    batch_size: int = Field(8, gt=0)
    micro_batch_size: int | None = Field(None, gt=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_ratio: float = Field(0.03, ge=0, le=1)
    adam_beta2: float = Field(0.99, gt=0, lt=1)
    max_questions: int = Field(16, gt=0)
    max_tokens: int | None = Field(None, gt=0)
    follow_ups: int = Field(0, ge=0)
    answer_weight: float = Field(1.0, ge=0)
    dense_weight: float = Field(0.0, ge=0)
    augmentation: Augmentation = Augmentation()
    group_by_length: bool = False
    drop_path: float = Field(0.0, ge=0, lt=1)
    lora: Lora | None = None
    quantize: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    weights: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    vision_cache: Path | None = None
    fsdp: Fsdp | None = None
    deepspeed: Path | None = None
    save_steps: int = Field(200, gt=0)
    eval_steps: int | None = Field(None, gt=0)
    log_steps: int = Field(20, gt=0)
    workers: int = Field(1, ge=0)
    seed: int = Field(0, ge=0, lt=2**32)

    @field_validator("train")
    @classmethod
    def _each_once(cls, value: tuple[Part, ...]) -> tuple[Part, ...]:
        if twice := [part for part in value if value.count(part) > 1]:
            raise ValueError(f"{twice[0]} is given twice")
        return value

    @field_validator("deepspeed")
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"{value}: no such file")
        return value

    @model_validator(mode="after")
    def _fields_agree(self) -> Recipe:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give steps or epochs, one of them")
        if not self.answer_weight and not self.dense_weight:
            raise ValueError("answer_weight and dense_weight are both 0: nothing to learn")
        if not self.answer_weight and self.train != ("branches",):
            raise ValueError("answer_weight 0 trains the branches alone: train: [branches]")
        if self.dense_weight and "branches" not in self.train:
            raise ValueError("dense_weight teaches the branches, but train does not name them")
        if self.augmentation.moves and self.answer_weight:
            raise ValueError("crop, mirror and paste may make an answer false: only with answer_weight 0")
        if self.vision_cache and "branches" in self.train:
            raise ValueError("vision_cache needs frozen branches, but train names them")
        if self.vision_cache and self.augmentation.changes_pixels:
            raise ValueError("vision_cache keeps one encoding a picture, but augmentation changes pixels")
        if self.vision_cache and self.drop_path:
            raise ValueError("vision_cache keeps one encoding a picture, but drop_path changes it each time")
        if self.fsdp and self.deepspeed:
            raise ValueError("fsdp and deepspeed both share the weights out: give one of them")
        if self.lora and "language_model" not in self.train:
            raise ValueError("lora trains the language model, but train does not name it")
        if self.lora and self.sharded:
            raise ValueError(
                "lora learns little, and needs no sharing out: leave out fsdp and deepspeed, and "
                "every process holds the model (with quantize, in 4 bits)"
            )
        if self.quantize and not self.lora:
            raise ValueError("quantize freezes the language model in 4 bits: give lora too")
        shown = (*self.data, *self.validation)
        if self.dense_weight and any(source.max_tiles not in (None, 1) for source in shown):
            raise ValueError("dense_weight learns from frames of one tile, but data has more max_tiles")
        if self.eval_steps and self.save_steps % self.eval_steps:
            raise ValueError(
                f"save_steps {self.save_steps} is no multiple of eval_steps {self.eval_steps}; "
                f"checkpoints are compared by their validation"
            )
        if self.batch_size % (self.micro_batch_size or self.batch_size):
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self

    @property
    def sharded(self) -> bool:
        """Whether the weights are shared out to processes."""
        return self.fsdp is not None or self.deepspeed is not None


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        InputError: no such file, not YAML, a wrong value, or a key that no recipe has, with the nearest
            right name.
    """
    return read_yaml(path, Recipe, "a recipe")
