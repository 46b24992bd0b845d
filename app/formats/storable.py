"""Which characters index and tokenizers take, and what stands in for the others; pure.

NUL and lone surrogates, the halves of characters, are what they do not take: some libraries hand out what they found.
"""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether the index and the tokenizers take the text as it is."""
    return _UNSTORABLE.search(text) is None


def replaced(text: str) -> str:
    """The text with U+FFFD, one for one, in place of what cannot be stored."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable(text: str) -> str:
    """The text as a document has it: every line end is a line feed, and what cannot be stored is U+FFFD."""
    return replaced(text.replace("\r\n", "\n").replace("\r", "\n"))
