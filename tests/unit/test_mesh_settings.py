"""Settings from flags, environment, file and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar

import pytest
from dataflow_mesh.settings import MeshSettings, SettingsError, commented_defaults, load, parse, usage


@dataclass(frozen=True, slots=True, kw_only=True)
class OvenSettings(MeshSettings):
    """Settings of a made-up service, with a field of each type."""

    table: ClassVar[str] = "oven"

    heat: int = field(default=180, metadata={"help": "Degrees."})
    share: float = field(default=0.5, metadata={"help": "Of the whole."})
    fan: bool = field(default=True, metadata={"help": "Blow."})
    trays: tuple[str, ...] = field(default=("a", "b"), metadata={"help": "Names."})
    book: Path | None = field(default=None, metadata={"help": "Recipes."})
    password: str = field(default="", metadata={"help": "Of the door.", "secret": True})


def parsed(*argv: str, environ: Mapping[str, str] | None = None) -> OvenSettings:
    """Parses with an empty environment unless one is given."""
    return parse(OvenSettings, argv, environ or {})


def problems(*argv: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Returns what is wrong."""
    with pytest.raises(SettingsError) as caught:
        parsed(*argv, environ=environ)
    return caught.value.problems


def test_defaults_hold_where_nothing_is_given() -> None:
    """An empty command line is a valid one."""
    settings = parsed()
    assert (settings.heat, settings.share, settings.fan, settings.trays, settings.book) == (
        180,
        0.5,
        True,
        ("a", "b"),
        None,
    )


def test_flags_go_before_environment_before_file_before_defaults(tmp_path: Path) -> None:
    """Each source gives way to the one closer to the person who starts the process."""
    file = tmp_path / "dataflow.toml"
    file.write_text('[oven]\nheat = 1\nshare = 0.1\ntrays = ["x"]\n[mesh]\nlog_level = "debug"\n[other]\nx = 1\n')
    environ = {"DATAFLOW_CONFIG": str(file), "DATAFLOW_HEAT": "2", "DATAFLOW_SHARE": "0.2"}
    settings = parsed("--heat", "3", environ=environ)
    assert (settings.heat, settings.share, settings.trays, settings.log_level) == (3, 0.2, ("x",), "debug")


def test_the_file_is_named_by_flag_too(tmp_path: Path) -> None:
    """--config goes before DATAFLOW_CONFIG."""
    file = tmp_path / "dataflow.toml"
    file.write_text("[oven]\nheat = 7\n")
    assert parsed(f"--config={file}", environ={"DATAFLOW_CONFIG": "/nowhere"}).heat == 7


@pytest.mark.parametrize(("argv", "fan"), [(["--fan"], True), (["--no-fan"], False), (["--fan=off"], False)])
def test_truth_values_are_flags_of_their_own(argv: list[str], fan: bool) -> None:
    """--fan, --no-fan and --fan=off are all understood."""
    assert parsed(*argv).fan is fan


def test_texts_become_the_type_of_their_field() -> None:
    """The environment has only texts."""
    environ = {"DATAFLOW_TRAYS": "a, b,,c", "DATAFLOW_BOOK": "~/book", "DATAFLOW_FAN": "No", "DATAFLOW_SHARE": "2"}
    settings = parsed(environ=environ)
    assert (settings.trays, settings.fan, settings.share) == (("a", "b", "c"), False, 2.0)
    assert settings.book == Path.home() / "book"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """One start shows everything that has to be put right."""
    file = tmp_path / "dataflow.toml"
    file.write_text('[oven]\nhaet = 1\nfan = "maybe"\n')
    found = problems("--heat", "hot", "--colour=red", f"--config={file}", "--book", environ={"DATAFLOW_SHARE": "half"})
    assert len(found) == 6
    assert {line.split(":")[0] for line in found} >= {"--heat", "--colour=red", "--book", "DATAFLOW_SHARE"}


def test_values_that_do_not_fit_together_are_told_at_once() -> None:
    """Checks over several fields come in one answer, too."""
    found = problems("--grpc-listen", "50051", "--tls-cert", "x", "--log-format", "xml", "--drain-seconds", "0")
    assert len(found) == 4


def test_a_missing_required_setting_says_how_to_give_it() -> None:
    """The way out is part of the problem."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Strict(MeshSettings):
        name: str = field(metadata={"help": "A name."})

    with pytest.raises(SettingsError, match="--name or DATAFLOW_NAME"):
        parse(Strict, [], {})


def test_secrets_are_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Not in repr, not in a problem, not by --print-config."""
    assert "hidden" not in repr(parsed("--password", "hidden", "--postgres-dsn", "hidden"))
    assert "heat=180" in repr(parsed())
    with pytest.raises(SystemExit):
        load(OvenSettings, ["--print-config", "--password", "hidden"], {"DATAFLOW_PASSWORD": "hidden"})
    assert "hidden" not in capsys.readouterr().out


def test_a_problem_ends_the_process_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors have their own exit code, and go to standard error."""
    with pytest.raises(SystemExit) as caught:
        load(OvenSettings, ["--heat", "hot"], {})
    assert caught.value.code == 2
    assert "--heat: 'hot' is not a whole number" in capsys.readouterr().err


def test_the_printed_config_names_every_setting_and_is_valid(tmp_path: Path) -> None:
    """What --print-config prints, with the comment signs of the settings taken off, is the defaults again."""
    text = commented_defaults(OvenSettings)
    lines = [line.removeprefix("# ") for line in text.splitlines() if not line.endswith(")") and '"..."' not in line]
    file = tmp_path / "dataflow.toml"
    file.write_text("\n".join(lines))
    assert parsed(f"--config={file}") == parsed()
    assert all(
        entry.name in text and f"--{entry.name.replace('_', '-')}" in usage(OvenSettings)
        for entry in fields(OvenSettings)
    )
