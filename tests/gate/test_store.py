"""What interrupted runs have finished: kept until the run is through."""

import sqlite3
from pathlib import Path

import numpy as np

from emu.gate.store import Store, resume_path


def test_what_is_put_another_run_gets(tmp_path):
    file = tmp_path / ".emu" / "resume.db"
    Store(file).put("a", b"1")
    assert Store(file).get("a") == b"1"
    assert Store(file).get("b") is None


def test_a_run_that_is_through_forgets_what_it_used_and_nothing_else(tmp_path):
    file = tmp_path / "resume.db"
    other, mine = Store(file), Store(file)
    other.put("other", b"1")
    other.put("both", b"2")
    mine.get("both")
    mine.put("mine", b"3")
    mine.adopt(["of a worker"])
    other.put("of a worker", b"4")
    mine.forget()
    left = Store(file)
    assert left.get("other") == b"1"
    for key in ("both", "mine", "of a worker"):
        assert left.get(key) is None


def test_without_a_path_nothing_is_held(tmp_path):
    store = Store()
    store.put("a", b"1")
    assert store.get("a") is None
    assert not store.holds
    assert store.failure == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_costs_the_way_back_not_the_run(tmp_path):
    file = tmp_path / "resume.db"
    file.write_bytes(b"something else, much longer than SQLite's header" * 100)
    store = Store(file)
    assert not store.holds
    assert "not a database" in store.failure
    store.put("a", b"1")
    assert store.get("a") is None


def test_a_folder_that_cannot_be_made_costs_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "resume.db")
    assert not store.holds
    assert store.failure


def test_a_disk_that_fills_up_ends_storing_only(tmp_path):
    store = Store(tmp_path / "resume.db")
    connection = sqlite3.connect(tmp_path / "resume.db")
    connection.execute("DROP TABLE finished")
    connection.close()
    store.put("a", b"1")
    assert "no such table" in store.failure
    assert store.get("a") is None


def test_what_nobody_came_back_for_goes(tmp_path):
    file = tmp_path / "resume.db"
    store = Store(file)
    store.put("old", b"1")
    store.put("new", b"2")
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE finished SET made = made - 700000 WHERE key = 'old'")
    connection.close()
    store.close()
    assert Store(file).get("old") is None
    assert Store(file).get("new") == b"2"


def test_batches_are_computed_once(tmp_path):
    computed = []

    def compute():
        computed.append(1)
        return {"x": np.arange(3, dtype=np.int8), "y": np.array(2.5)}

    for _ in range(2):
        found = Store(tmp_path / "resume.db").recall("key")(0, compute)
        assert found["x"].dtype == np.int8
        assert found["x"].tolist() == [0, 1, 2]
        assert found["y"].shape == ()
    assert len(computed) == 1


def test_a_damaged_batch_is_computed_anew(tmp_path):
    store = Store(tmp_path / "resume.db")
    store.put("key/0", b"torn")
    assert store.recall("key")(0, lambda: {"x": np.ones(2)})["x"].tolist() == [1, 1]


def test_the_file_lies_beside_the_folder_of_suites():
    assert resume_path(Path("/p/suites/a.toml")) == Path("/p/.emu/resume.db")
    assert resume_path(Path("/p/a.toml")) == Path("/p/.emu/resume.db")
