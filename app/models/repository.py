"""Which file of a repository is meant: the models it offers, and the one to download. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.errors import WrongUse
from app.models.file_set import FileSet, file_sets
from app.models.labels import quantisation

_USUAL = "Q4_K_M"
"""What is taken where nobody says: a quarter of the size, and hardly worse."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository."""

    name: str
    """With its folders in the repository, `/` between them."""
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a repository has."""

    files: FileSet
    num_bytes: int

    @property
    def name(self) -> str:
        """As it can be asked for: the file, or the first of its parts."""
        return self.files.files[0]

    @property
    def quantisation(self) -> str:
        return quantisation(self.files.name, {})


def offers(files: Iterable[HubFile]) -> list[Offer]:
    """The models among the files of a repository, small ones first."""
    sizes = {file.name: file.num_bytes for file in files}
    found = (Offer(each, sum(sizes[name] for name in each.files)) for each in file_sets(sizes))
    return sorted((offer for offer in found if not offer.files.problem), key=lambda offer: offer.num_bytes)


def pick(repository: str, offered: Sequence[Offer], wanted: str) -> Offer:
    """The one that is asked for, else the only one, else the usual one. Raises `WrongUse` with what there is."""
    if not offered:
        raise WrongUse(
            f"{repository} has no GGUF files, which this program reads; on the hub they are mostly in a repository of "
            "their own, whose name ends in -GGUF."
        )
    if len(offered) == 1 and not wanted:
        return offered[0]
    fitting = [offer for offer in offered if _is_meant(offer, wanted or _USUAL)]
    if len(fitting) == 1:
        return fitting[0]
    number = "several models" if fitting else "no model"
    problem = f"{number} called {wanted}" if wanted else f"several models, and not just one {_USUAL}"
    listed = "\n".join(f"  {offer.name}  {offer.num_bytes / 1e6:,.0f} MB" for offer in offered)
    raise WrongUse(f"{repository} has {problem}; name one of these:\n{listed}")


def _is_meant(offer: Offer, wanted: str) -> bool:
    names = {*offer.files.files, offer.files.name}
    short = {name.rpartition("/")[2] for name in names}
    return wanted in names | short or wanted.upper() == offer.quantisation
