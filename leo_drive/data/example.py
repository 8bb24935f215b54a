"""What every reader of a question-answering set gives: pictures, with what is asked and answered of them."""

from __future__ import annotations

from dataclasses import dataclass

from leo_drive.clips.image_file import ImageFile

# A picture of a data set is an image file like any other: in a folder or in an archive, read when asked for.
Picture = ImageFile


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """One question with its reference answer.

    Attributes:
        question_id: unique in its part, but that LingoQA's evaluation part has two answers to a question.
        kind, value, choices: of a closed question, what kind it is, its answer as one of its choices, and
            these; None for an open question and where nobody has said (see `leo_drive.data.kinds`).
    """

    question_id: str
    question: str
    answer: str
    kind: str | None = None
    value: str | None = None
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Pictures seen together, with everything that is asked about them.

    Attributes:
        example_id: unique in its part.
        pictures: oldest first, or camera by camera; none for text alone.
        conversations: independent of one another; each is its turns in order, of which the later ones may
            follow up on the earlier. A question that stands alone is a conversation of one turn.
        names: what the pictures are called before the question, one each; None for Frame1, Frame2, ...
        system: instructions in place of the model's own system prompt, where the data set gives some.
        label_maps: the pictures' label maps, one each, or none.
        group: what other examples of the same pictures have too, where the data set parts them.

    Example:
        >>> asked = QuestionAnswer("7-0", "Is there a cyclist?", "No.")
        >>> example = Example("7", (Picture(Path("7/0.jpg")),), ((asked,),))    # doctest: +SKIP
        >>> example.pictures[0].read().size                                     # doctest: +SKIP
        (1920, 1080)
    """

    example_id: str
    pictures: tuple[Picture, ...]
    conversations: tuple[tuple[QuestionAnswer, ...], ...]
    names: tuple[str, ...] | None = None
    system: str | None = None
    label_maps: tuple[Picture, ...] = ()
    group: str | None = None

    @property
    def questions(self) -> tuple[QuestionAnswer, ...]:
        """Every turn of every conversation, in order."""
        return tuple(turn for conversation in self.conversations for turn in conversation)
