"""The `dataflow` command itself."""

from pathlib import Path
from typing import Any

import click

from dataflow_cli.context import data_dir_option
from dataflow_cli.exits import exit_codes
from dataflow_cli.plugins import PluginGroup


class Root(PluginGroup):
    """Runs a sub-command and turns errors into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the sub-command."""
        try:
            with exit_codes():
                return super().invoke(ctx)
        except UnicodeEncodeError as error:
            # The shell passed bytes that are no UTF-8: Python keeps them as lone surrogates, protobuf takes none.
            raise click.UsageError("an argument is not UTF-8 text") from error


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="dataflow-cli", prog_name="dataflow")
@data_dir_option
def dataflow(data_dir: Path) -> None:  # read by the sub-commands
    """Devices, contracts, readings, answers.

    Exit codes: 0 ok, 1 failed check, 2 usage, 3 not reachable, 4 denied.
    """
