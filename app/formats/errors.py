"""Why a document cannot be read.

UnreadableDocument
├── CannotOpen      the operating system does not let us read the file, or it is no file
├── TooLarge        the file is larger than we are willing to read
├── NotText         the bytes are not text in any encoding we know
├── Damaged         the file breaks the rules of its format
├── Encrypted       the file can be read only with a password or a licence
├── Scanned         the pages are images, without text
├── NothingToRead   the file is empty, or nothing readable is left of it
├── UnknownFormat   no extractor for this kind of file
├── TookTooLong     reading it was given up
└── ReaderDied      the process that read it failed over it
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


class Damaged(UnreadableDocument):
    """The file breaks the rules of its format."""


class Encrypted(UnreadableDocument):
    """The file can be read only with a password or a licence."""


class Scanned(UnreadableDocument):
    """The pages are images, without text."""


class NothingToRead(UnreadableDocument):
    """The file is empty, or nothing readable is left of it."""


class UnknownFormat(UnreadableDocument):
    """No extractor for this kind of file."""


class TookTooLong(UnreadableDocument):
    """Reading it was given up."""


class ReaderDied(UnreadableDocument):
    """The process that read it failed over it: it crashed, ran out of memory or met its parser's mistake."""
