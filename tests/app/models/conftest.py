import pytest


@pytest.fixture
def no_starters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no part package were installed."""
    monkeypatch.setattr("app.models.starter.find_spec", lambda name: None)
