"""What an answer says of the gate, as JSON and back."""

import pytest

from app.conversations.account import Account, from_json
from app.gate.account import GateAccount, Standing

SAID = [
    GateAccount(Standing.UNMEASURED, 0.15),
    GateAccount(Standing.BLEND, 0.2, 0.0812, 0.9312),
    GateAccount(Standing.EXACT, 0.5, 0.31, 0.7, overridden=True),
    GateAccount(Standing.EXACT),
]


@pytest.mark.parametrize("gate", SAID)
def test_it_is_kept_with_its_answer(gate: GateAccount):
    account = Account("blend", "model", gate=gate)
    assert from_json(account.as_json()) == account
    assert account.as_object()["gate"] == gate.as_object()


def test_an_answer_of_an_older_program_says_nothing_of_it():
    account = Account("blend", "model")
    assert "gate" not in account.as_object()
    assert from_json(account.as_json()).gate is None


@pytest.mark.parametrize("gate", ['"blend"', '{"verdict": "maybe"}', '{"verdict": "blend", "ratio": "x"}', "[1]"])
def test_what_is_no_such_object_is_refused(gate: str):
    text = Account("blend", "model", gate=SAID[0]).as_json()
    before, _, rest = text.partition('"gate":{')
    damaged = f'{before}"gate":{gate}{rest[rest.index("}") + 1 :]}'
    with pytest.raises(ValueError, match=r"no account|maybe"):
        from_json(damaged)
