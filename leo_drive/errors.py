"""The errors a user can mend: one line that names the file, what is wrong and the cure.

The command line prints the message on standard error and exits with `exit_status`; a library user
catches them as ordinary exceptions. Anything else that escapes is a bug and shows its traceback.
"""

import difflib
from collections.abc import Iterable, Sequence


class LeoDriveError(Exception):
    """Something went wrong underway (exit status 1): a file that vanished, a disk that filled."""

    exit_status = 1


class InputError(LeoDriveError, ValueError):
    """The arguments or the input are wrong (exit status 2): a missing file, a time past the end.

    Attributes:
        problems: where a file has many, each on a line of its own that names the file; the message, which is
            one line, has the first few of them.
    """

    exit_status = 2

    def __init__(self, message: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class DeviceMemoryError(LeoDriveError):
    """What cannot be made smaller does not fit the device's memory."""


def one_line(error: BaseException) -> str:
    """What another library's error says, on one line; its type where it says nothing.

    Example:
        >>> one_line(ValueError("two\\n  lines")), one_line(ValueError())
        ('two lines', 'ValueError')
    """
    return " ".join(str(error).split()) or type(error).__name__


def describe(error: BaseException) -> str:
    """Any error on one line: of ours the message, of another library's its type too.

    Example:
        >>> describe(InputError("a.mp4: is empty")), describe(KeyError("width")), describe(KeyError())
        ('a.mp4: is empty', "KeyError: 'width'", 'KeyError')
    """
    said, kind = one_line(error), type(error).__name__
    return said if isinstance(error, LeoDriveError) or said == kind else f"{kind}: {said}"


SHOWN = 3
"""How many of many names a message has; the others are counted."""


def some(names: Sequence[str], separator: str = ", ", shown: int = SHOWN) -> str:
    """The first few of many.

    Example:
        >>> some(["a", "b", "c", "d", "e"])
        'a, b, c, and 2 more'
    """
    more = f"{separator}and {len(names) - shown} more" if len(names) > shown else ""
    return separator.join(names[:shown]) + more


def nearest(word: object, known: Iterable[str]) -> str:
    """`did you mean X?`, or which there are.

    Example:
        >>> nearest("fusoin", ["fusion", "frames"]), nearest("x", ["fusion", "frames"])
        ('did you mean fusion?', 'there are fusion, frames')
    """
    names = list(known)
    near = difflib.get_close_matches(str(word), names, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
