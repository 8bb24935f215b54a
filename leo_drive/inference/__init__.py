"""Encode once, ask many."""

from leo_drive.inference.answer import Answer
from leo_drive.inference.leo import Leo
from leo_drive.inference.load import load
from leo_drive.inference.streaming import AnswerStream

__all__ = ["Answer", "AnswerStream", "Leo", "load"]
