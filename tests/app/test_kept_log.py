"""Commands leave a trace of what they did to the store's files."""

import logging
import stat
from pathlib import Path

import pytest

from app.kept_log import kept_log


@pytest.fixture(autouse=True)
def usual_level():
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(before)


def test_remarks_of_app_and_storage_are_added_to_a_private_file(tmp_path: Path):
    path = tmp_path / "data" / "steep.log"
    for number in range(2):
        with kept_log(path):
            logging.getLogger("storage.store").info("Evicted %d", number)
            logging.getLogger("elsewhere").info("not ours")
    lines = path.read_text("utf-8").splitlines()
    assert [line.rsplit(": ", 1)[1] for line in lines] == ["Evicted 0", "Evicted 1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logging.getLogger("storage.store").info("afterwards")
    assert len(path.read_text("utf-8").splitlines()) == 2


def test_where_nothing_is_to_tell_there_is_no_file(tmp_path: Path):
    with kept_log(tmp_path / "steep.log"):
        pass
    assert not (tmp_path / "steep.log").exists()


def test_the_app_that_keeps_everything_anyway_gets_each_line_once(tmp_path: Path):
    logging.getLogger().setLevel(logging.INFO)
    with kept_log(tmp_path / "steep.log"):
        logging.getLogger("storage.store").info("Evicted")
    assert not (tmp_path / "steep.log").exists()


def test_a_disk_that_takes_no_line_stops_nobody(tmp_path: Path):
    (tmp_path / "steep.log").mkdir()
    with kept_log(tmp_path / "steep.log"):
        logging.getLogger("app.x").warning("lost")


def test_levels_are_restored_when_the_last_of_several_blocks_ends(tmp_path: Path) -> None:
    logger = logging.getLogger("storage")
    level = logger.level
    first, second = kept_log(tmp_path / "a.log"), kept_log(tmp_path / "b.log")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    logger.info("still kept")
    second.__exit__(None, None, None)
    assert logger.level == level
    assert "still kept" in (tmp_path / "b.log").read_text("utf-8")
