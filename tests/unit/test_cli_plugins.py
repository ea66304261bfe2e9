"""Sub-commands of other packages: found by entry points, and never able to break the command."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from dataflow_cli.plugins import GROUP, discovered
from dataflow_cli.root import Root


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Root:
    good = ModuleType("plugin_good")

    @click.command(short_help="Works.")
    @click.argument("word")
    def command(word: str) -> None:
        click.echo(word)

    good.command = command  # type: ignore[attr-defined]
    good.value = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plugin_good", good)
    values = {
        "good": "plugin_good:command",
        "gone": "plugin_gone:command",
        "old": "plugin_good:renamed",
        "odd": "plugin_good:value",
    }
    return Root("dataflow", points={name: EntryPoint(name, value, GROUP) for name, value in values.items()})


def test_good_command_runs_beside_broken_ones(root: Root) -> None:
    """One package that does not load does not take the others with it."""
    result = CliRunner().invoke(root, ["good", "hello"])
    assert (result.exit_code, result.output) == (0, "hello\n")


def test_help_names_what_is_broken(root: Root) -> None:
    """All commands are listed, the broken ones as such."""
    result = CliRunner().invoke(root, ["--help"])
    assert result.exit_code == 0
    assert "Works." in result.output
    for name in ("gone", "old", "odd"):
        assert f"  {name}   (broken: " in result.output or f"  {name}  (broken: " in result.output


@pytest.mark.parametrize(
    ("name", "words"),
    [("gone", "ModuleNotFoundError"), ("old", "AttributeError"), ("odd", "is no command")],
)
def test_broken_command_says_what_is_wrong(root: Root, name: str, words: str) -> None:
    """Whatever its arguments, calling it is a failed check that names module and cause."""
    result = CliRunner().invoke(root, [name, "--json", "x"])
    assert result.exit_code == 1
    assert words in result.stderr
    assert "plugin_" in result.stderr


def test_own_commands_are_found_like_all_others() -> None:
    """This package uses the same door."""
    assert {"ask", "contract", "publish", "quarantine", "readings", "ring", "route"} <= set(discovered())
