"""LEO as a transformers model, registered with the Auto classes."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)

from leo_drive.model.config import BranchConfig, LeoConfig
from leo_drive.model.leo import LeoForConditionalGeneration
from leo_drive.model.processor import LeoProcessor

AutoConfig.register("leo", LeoConfig)
AutoModel.register(LeoConfig, LeoForConditionalGeneration)
AutoModelForImageTextToText.register(LeoConfig, LeoForConditionalGeneration)
AutoModelForCausalLM.register(LeoConfig, LeoForConditionalGeneration)
AutoProcessor.register(LeoConfig, LeoProcessor)

__all__ = ["BranchConfig", "LeoConfig", "LeoForConditionalGeneration", "LeoProcessor"]
