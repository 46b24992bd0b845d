"""What a paragraph of an office file holds: its words, and the notes and text boxes that hang on them."""

from dataclasses import dataclass, field

from app.formats.zipped.xml_parts import Element


@dataclass(slots=True)
class Inline:
    """Filled while a paragraph is walked through."""

    notes: list[str] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)
    """Elements whose paragraphs stand beside this one."""
    # The words, and "\n" where a line ends.
    _parts: list[str] = field(default_factory=list)

    def add(self, words: str | None) -> None:
        """Adds words as they stand in the XML, where the end of a line is a space like any other."""
        if words:
            self._parts.append(words.replace("\n", " "))

    def end_line(self) -> None:
        self._parts.append("\n")

    @property
    def text(self) -> str:
        """The words with one space between them, and no blank lines."""
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)

    @property
    def line(self) -> str:
        """The words on one line."""
        return " ".join("".join(self._parts).split())
