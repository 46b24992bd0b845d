"""What every extractor returns: the text of one document, and the natural units it consists of.

Positions count characters (Python code points) of `ExtractedDocument.text`, in half-open intervals [start,
end). What lies between two passages (blank lines, rules, front matter) belongs to the text but is not worth
reading.
"""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Passage:
    """A natural unit of a document: a paragraph, list, table, piece of code, heading or definition."""

    start: int
    end: int
    page: int | None = None
    """Page number as printed in a viewer, from 1; None where the format has no pages."""
    heading: str | None = None
    """Breadcrumb of its section, such as "Guide > Install"; a heading stands in its own section."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a passage needs 0 <= start < end, got [{self.start}, {self.end})")


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of one document and its passages: in order, apart from each other, none of them blank."""

    title: str
    text: str
    passages: tuple[Passage, ...]

    def __post_init__(self) -> None:
        for earlier, later in pairwise(self.passages):
            if later.start < earlier.end:
                raise ValueError(f"passages overlap or are out of order: {earlier}, {later}")
        if self.passages and self.passages[-1].end > len(self.text):
            raise ValueError(f"{self.passages[-1]} ends outside a text of {len(self.text)} characters")
        for passage in self.passages:
            if self.text[passage.start : passage.end].isspace():
                raise ValueError(f"{passage} is blank")
