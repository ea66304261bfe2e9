"""The machine's time zone, from what systems have."""

from pathlib import Path

import pytest
from dataflow_cli.time_zone import machine_zone


def test_the_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets TZ means it; UTC has one name."""
    for name, zone in (("Asia/Shanghai", "Asia/Shanghai"), ("Etc/UTC", "UTC")):
        monkeypatch.setenv("TZ", name)
        assert machine_zone(tmp_path / "none", tmp_path / "none") == zone


def test_the_link_and_the_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's setting is a link into the zones, or a name in a file."""
    monkeypatch.delenv("TZ", raising=False)
    link, file = tmp_path / "localtime", tmp_path / "timezone"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    file.write_text("America/New_York\n")
    assert machine_zone(link, file) == "Europe/Berlin"
    assert machine_zone(tmp_path / "none", file) == "America/New_York"


@pytest.mark.parametrize(
    "value", ["", ":/etc/localtime", "CET-1CEST,M3.5.0,M10.5.0/3", "../../etc/passwd", "Mars/Base"]
)
def test_what_is_no_name_is_utc(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zone that no server would know is not sent."""
    monkeypatch.setenv("TZ", value)
    assert machine_zone(tmp_path / "none", tmp_path / "none") == "UTC"
