"""The section a passage stands in, written as a breadcrumb: "Guide > Install"."""

SEPARATOR = " > "

# A heading names its section and is repeated with every source shown; a paragraph marked up as a heading must
# not fill the screen. 80 characters are one terminal line.
MAX_NUM_CHARS = 80


class HeadingTrail:
    """The headings that are open at one place of a document, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        """Opens a section; it ends every open one of the same level (1 = outermost) or a deeper one."""
        self._open = [section for section in self._open if section[0] < level]
        if title := one_line(title):
            self._open.append((level, title.replace(SEPARATOR, " ")))

    @property
    def breadcrumb(self) -> str | None:
        return SEPARATOR.join(title for _, title in self._open) or None


def outer_sections(heading: str | None, depth: int) -> tuple[str, ...]:
    """The outermost `depth` sections of a breadcrumb; the empty tuple outside every section."""
    return tuple(heading.split(SEPARATOR)[:depth]) if heading else ()


def one_line(title: str) -> str:
    """The title on one line of at most MAX_NUM_CHARS characters."""
    return " ".join(title.split())[:MAX_NUM_CHARS].rstrip()
