"""Why a document cannot be read.

UnreadableDocument
├── CannotOpen      the operating system does not let us read the file, or it is no file
├── TooLarge        the file is larger than we are willing to read
├── NotText         the bytes are not text in any encoding we know
├── NothingToRead   the file is empty, or nothing readable is left of it
└── UnknownFormat   no extractor for this kind of file
"""


class UnreadableDocument(Exception):
    """Base: one document cannot be read; the others can. `reason` completes the sentence "<name> ..."."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


class CannotOpen(UnreadableDocument):
    """The operating system does not let us read the file, or it is no file."""


class TooLarge(UnreadableDocument):
    """The file is larger than we are willing to read."""


class NotText(UnreadableDocument):
    """The bytes are not text in any encoding we know."""


class NothingToRead(UnreadableDocument):
    """The file is empty, or nothing readable is left of it."""


class UnknownFormat(UnreadableDocument):
    """No extractor for this kind of file."""
