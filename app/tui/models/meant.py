"""Which model of a repository is meant by what somebody wrote. Pure."""

from collections.abc import Sequence

from app.errors import WrongUse
from app.models.repository import Offer, pick
from app.tui.models.hub_name import HubName
from app.wording import counted


def meant(name: HubName, offered: Sequence[Offer]) -> Offer | str:
    """The one that is meant, else the sentence that says why it has to be asked for.

    Raises `WrongUse` where there is none.
    """
    if not name.wanted and len(offered) > 1:
        return f"It has {counted(len(offered), 'model')}."
    try:
        return pick(name.repository, offered, name.wanted)
    except WrongUse:
        if not offered:
            raise
        return f"{name.wanted} is not the name of just one of them."
