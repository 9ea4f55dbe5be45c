"""Whether this instance is about to stop: one bit that all of its processes share.

The process that is told to stop sets it, its workers see it at once: they are not ready any more, and end each kept
connection with its next answer.
"""

from ctypes import c_bool
from multiprocessing import RawValue

Flag = c_bool

_flag: Flag | None = None


def share() -> Flag:
    """Make the bit; for the process that starts the workers, before it does."""
    return adopt(RawValue(c_bool, False))  # noqa: FBT003 -- its first value


def adopt(flag: Flag) -> Flag:
    """Go by this bit; for a worker that was spawned, where one that was forked has it already."""
    global _flag  # noqa: PLW0603 -- one instance for each process
    _flag = flag
    return flag


def begin() -> bool:
    """Tell every process of this instance; return whether that is news."""
    if _flag is None or _flag.value:
        return False
    _flag.value = True
    return True


def is_on() -> bool:
    """Tell whether this instance is about to stop."""
    return _flag is not None and _flag.value
