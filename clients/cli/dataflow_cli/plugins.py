"""Finding sub-commands: entry points of the group `dataflow.commands`, each `name = "module:command"`."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from dataflow_cli.exits import FailedCheckError

GROUP = "dataflow.commands"
"""The entry-point group."""


class BrokenCommand(click.Command):
    """Stands for a sub-command whose package does not load: named in the help, an error when it is called."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            name,
            short_help=f"(broken: {problem})",
            help=f"This command does not load.\n\n{problem}",
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
            add_help_option=False,
        )
        self.problem = problem

    def invoke(self, ctx: click.Context) -> Any:
        """Says what is wrong."""
        raise FailedCheckError(f"the command {ctx.info_name!r} does not load: {self.problem}")


def discovered() -> Mapping[str, EntryPoint]:
    """Returns the entry points by name; the first in alphabetical order of packages wins a name."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point))):
        found.setdefault(point.name, point)
    return found


def loaded(point: EntryPoint) -> click.Command:
    """Imports a sub-command; whatever is wrong with it becomes a `BrokenCommand`."""
    try:
        command = point.load()
    except Exception as error:  # noqa: BLE001  # somebody else's module may raise anything while it is imported
        return BrokenCommand(point.name, f"{point.value!r} of {_package(point)}: {type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return BrokenCommand(point.name, f"{point.value!r} of {_package(point)} is no command")
    return command


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


class PluginGroup(click.Group):
    """A group whose sub-commands are found by entry points and imported when they are needed."""

    def __init__(self, *arguments: Any, points: Mapping[str, EntryPoint] | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._points = points

    def _found(self) -> Mapping[str, EntryPoint]:
        if self._points is None:
            self._points = discovered()
        return self._points

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names all sub-commands, also those that do not load."""
        return sorted({*super().list_commands(ctx), *self._found()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one sub-command."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in self._found():
            return own
        return loaded(self._found()[cmd_name])
