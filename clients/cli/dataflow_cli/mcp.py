"""`dataflow mcp`: the stored readings as tools for a program that speaks the Model Context Protocol."""

import click

from dataflow_cli.context import Access, FailedCheckError, connection_options


@click.command()
@connection_options
def mcp(access: Access) -> None:
    """Serve questions, aggregates and latest readings as MCP tools on standard input and output.

    Started by a program that speaks MCP, not by hand; see docs/mcp.md. It reads only, with the role of the token that it
    is given, and needs no running system to start: each call says what does not answer.
    """
    try:
        # Here, not above: the SDK takes seconds to import, which `dataflow --help` shall not.
        from dataflow_cli.mcp_server.server import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise FailedCheckError(f"{error.name!r} is not installed: pip install 'dataflow-cli[mcp]'") from error
    serve(access)
