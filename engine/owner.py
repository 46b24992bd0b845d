"""The shape of everything that owns native things: `with` opens it, `close` ends it, and closing twice is harmless."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Owner(ABC):
    """A context manager that closes itself at the end of its block."""

    @abstractmethod
    def close(self) -> None:
        """Free what is owned, in reverse order; harmless to call again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
