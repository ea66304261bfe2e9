"""Which Redis and Postgres are started over which data."""

from pathlib import Path

import pytest
from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout
from dataflow_stack.options import Options
from dataflow_stack.preparation import Preparation
from dataflow_stack.programs import Program, choose


def postgres(version: str, folder: str = "/usr/lib/postgresql") -> Program:
    """Returns a Postgres that is never started."""
    return Program("postgres", Path(folder) / version / "postgres", version, "path")


def redis(version: str) -> Program:
    """Returns a Redis that is never started."""
    return Program("redis", Path(f"/opt/redis-{version}"), version, "path")


def test_new_data_get_the_preferred_program() -> None:
    """Without data, the first program found is taken."""
    assert choose("postgres", [postgres("18.4"), postgres("15.18")], None) == postgres("18.4")


def test_what_made_the_data_is_used_again() -> None:
    """The program that made the data wins over a preferred one."""
    assert choose("postgres", [postgres("18.4"), postgres("15.18")], postgres("15.18")) == postgres("15.18")


def test_another_program_of_the_same_major_version_opens_the_data() -> None:
    """After a minor upgrade the data open with what is there now."""
    assert choose("postgres", [postgres("18.4"), postgres("15.20")], postgres("15.18")) == postgres("15.20")


def test_another_major_version_is_refused_with_the_way_out() -> None:
    """A cluster of Postgres 15 is not given to Postgres 18; the message says what to do."""
    with pytest.raises(StackError, match=r"made by Postgres 15\.18.*\n.*--data-dir"):
        choose("postgres", [postgres("18.4")], postgres("15.18"))


def test_newer_redis_opens_older_data_but_not_the_reverse() -> None:
    """Redis reads append-only files of older versions only."""
    assert choose("redis", [redis("7.0.15")], redis("6.2.14")) == redis("7.0.15")
    with pytest.raises(StackError, match=r"made by Redis 7\.0\.15"):
        choose("redis", [redis("6.2.14")], redis("7.0.15"))


def test_missing_servers_stop_the_start_and_name_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any server nothing is made, and the message holds one command that installs both."""
    monkeypatch.setattr("dataflow_stack.preparation.find", lambda _kind, _choice: [])
    monkeypatch.setattr(
        "dataflow_stack.programs.shutil.which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    data_dir = tmp_path / "data"
    with pytest.raises(StackError, match="sudo apt-get install -y redis-server postgresql"):
        Preparation.make(Options(data_dir=data_dir), Layout(data_dir))
    assert not data_dir.exists()
