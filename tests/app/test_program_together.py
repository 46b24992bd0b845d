"""A watcher, several questions and changing documents at once, in processes of their own, on one store."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.app.conftest import write_documents
from tests.app.program import Program, interrupt, wait_until


def test_a_watcher_and_several_questions_at_once_do_not_get_in_each_others_way(program: Program):
    write_documents(program.folder)
    program.run("add", ".")
    with program.started("watch", "--json") as watching, ThreadPoolExecutor(4) as pool:
        wait_until(lambda: len(program.chunk_files()) >= 4, watching)
        for number in range(2):
            (program.folder / f"new{number}.md").write_text(f"# Boat {number}\n\nA boat of Odile Marsh.\n")
            asked = [pool.submit(program.ask, "Who is the captain of the ferry?") for _ in range(3)]
            looked = [pool.submit(program.json, command) for command in ("status", "folders")]
            for each in (*asked, *looked):
                assert each.result()
        wait_until(lambda: len(program.chunk_files()) >= 6, watching)
        _, errors = interrupt(watching)
    assert "locked" not in errors
    assert program.json("status")["steeped_chunks"] == 5
    assert program.json("doctor", "--deep")["findings"] == []


def test_folders_come_and_go_while_questions_are_asked(steeped: Program, tmp_path: Path):
    folders = [write_documents(tmp_path / f"more{number}") for number in range(2)]

    def come_and_go(folder: Path) -> None:
        for _ in range(2):
            steeped.run("add", str(folder))
            steeped.run("remove", str(folder))

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(come_and_go, folder) for folder in folders]
        works += [pool.submit(steeped.ask, "Who is the captain of the ferry?") for _ in range(2)]
        for work in works:
            work.result()
    assert steeped.json("status")["documents"] == 3
    assert steeped.json("doctor", "--deep")["findings"] == []
