"""The section a passage stands in, written as a breadcrumb: "Guide > Install"."""

from itertools import takewhile

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


def depth_of_start(before: str | None, after: str | None) -> int | None:
    """How deep the section lies (1 = outermost) that starts between passages with these breadcrumbs; None: none does.

    A section that goes on behind one of its parts starts anew, as deep as that part.
    """
    if before == after:
        return None
    pairs = zip(_sections(before), _sections(after), strict=False)
    return 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _sections(breadcrumb: str | None) -> list[str]:
    return breadcrumb.split(SEPARATOR) if breadcrumb else []


def one_line(title: str) -> str:
    """The title on one line of at most MAX_NUM_CHARS characters."""
    return " ".join(title.split())[:MAX_NUM_CHARS].rstrip()
