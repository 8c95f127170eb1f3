"""A file whose content is read again when it changes, so that keys are rotated without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from polymart.errors import PolymartError

T = TypeVar("T")
_log = logging.getLogger(__name__)


class WatchedFile(Generic[T]):
    """What ``read`` makes of a file, as it is now.

    A change that cannot be read is logged once and what was read before stays: a slip of the pen must not shut every
    caller out. At the start there is nothing to keep, so ``read``'s error is raised.
    """

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self.path, self._read = path, read
        self._stamp = self._found()
        self._value = read(path)

    def value(self) -> T:
        """The content; costs one `stat` unless the file changed."""
        stamp = self._found()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._value = self._read(self.path)
                _log.info("%s changed and was read again", self.path)
            except PolymartError as error:
                _log.error("%s changed, but what it held before stays in force: %s", self.path, error.message)
        return self._value

    def _found(self) -> tuple[int, int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
