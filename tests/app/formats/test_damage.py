import pytest

from app.formats.damage import reported_damage
from app.formats.errors import Damaged, Encrypted, TooLarge


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ValueError("two\n lines"), Damaged, "is damaged: two lines"),
        (KeyError(), Damaged, "is damaged: KeyError"),
        (ValueError("x" * 500), Damaged, "is damaged: " + "x" * 120),
        (RecursionError(), Damaged, "is damaged: it is nested too deeply"),
        (MemoryError(), TooLarge, "needs more memory than there is"),
        (Encrypted("a.pdf", "is encrypted"), Encrypted, "is encrypted"),
    ],
)
def test_every_exception_becomes_one_about_the_document(error: Exception, kind: type[Exception], reason: str):
    with pytest.raises(kind) as caught, reported_damage("a.pdf"):
        raise error
    assert str(caught.value) == f"a.pdf {reason}"


def test_an_interruption_is_no_damage():
    with pytest.raises(KeyboardInterrupt), reported_damage("a.pdf"):
        raise KeyboardInterrupt
