import threading
from pathlib import Path

from app.folders.events import Inbox

ROOT = Path("/folder")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_path_is_held_once_with_its_first_and_last_time():
    clock = Clock()
    inbox = Inbox(clock=clock)
    for clock.now in (1.0, 2.0, 3.0):
        inbox.change(ROOT, "/folder/a.txt")
    assert inbox.empty().paths == {"/folder/a.txt": (1.0, 3.0)}
    assert inbox.empty().paths == {}


def test_only_a_path_that_is_held_can_be_repeated():
    clock = Clock()
    inbox = Inbox(clock=clock)
    assert not inbox.repeat("/folder/a.txt")
    inbox.change(ROOT, "/folder/a.txt")
    clock.now = 5.0
    assert inbox.repeat("/folder/a.txt")
    assert inbox.empty().paths == {"/folder/a.txt": (0.0, 5.0)}


def test_more_paths_than_it_may_hold_become_a_sweep_of_their_folder():
    inbox = Inbox(max_num_paths=2)
    for name in ("a", "b", "c", "a"):
        inbox.change(ROOT, f"/folder/{name}.txt")
    mail = inbox.empty()
    assert list(mail.paths) == ["/folder/a.txt", "/folder/b.txt"]
    assert list(mail.sweeps) == ["/folder"]


def test_waiting_ends_with_mail_or_a_wake_or_the_time():
    inbox = Inbox()
    assert not inbox.wait(0.0)
    inbox.sweep("/folder")
    assert inbox.wait(60.0)
    inbox.empty()
    inbox.wake()
    assert not inbox.wait(60.0)
    threading.Timer(0.01, inbox.sweep, ["/folder"]).start()
    assert inbox.wait(60.0)


def test_waiting_can_be_deaf_to_mail():
    inbox = Inbox()
    inbox.sweep("/folder")
    assert inbox.wait(0.0, until_mail=False)
    threading.Timer(0.01, inbox.wake).start()
    inbox.wait(60.0, until_mail=False)
