from pathlib import Path

import pytest

from app.locations import find_locations


def test_steep_home_puts_everything_under_one_folder(tmp_path: Path):
    found = find_locations({"STEEP_HOME": str(tmp_path)})
    assert found.config_file == tmp_path / "config" / "config.toml"
    assert found.index_file.parent == found.states_dir.parent == found.models_dir.parent == tmp_path / "data"
    assert found.cache_dir == tmp_path / "cache"


def test_steep_home_may_be_relative_or_start_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    assert find_locations({"STEEP_HOME": "here"}).data_dir == tmp_path / "here" / "data"
    assert find_locations({"STEEP_HOME": "~/there"}).data_dir == tmp_path / "me" / "there" / "data"


@pytest.mark.parametrize("environment", [{}, {"STEEP_HOME": ""}])
def test_without_it_the_system_decides(environment: dict[str, str]):
    found = find_locations(environment)
    assert all("steep" in path.parts for path in (found.config_dir, found.data_dir, found.cache_dir))
    assert found.data_dir.is_absolute()


def test_looking_makes_no_folder(tmp_path: Path):
    find_locations({"STEEP_HOME": str(tmp_path / "home")})
    assert list(tmp_path.iterdir()) == []
