"""Calls on behalf of a tool: a client for each call, closed also when the call is cancelled, and errors with the way out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import click
from dataflow_client import AsyncClient, DataflowError
from mcp.server.mcpserver.exceptions import ToolError

from dataflow_cli.context import Access
from dataflow_cli.exits import translated


@asynccontextmanager
async def client_of(access: Access, service: str) -> AsyncIterator[AsyncClient]:
    """Opens a client of one service for the length of the context.

    Anew for each call: where things run, and with which token, may have changed since the program was started.

    Raises:
        ToolError: Whatever the SDK or the status file says, in words for whoever called the tool.
    """
    try:
        client = access.async_client(service)
        try:
            yield client
        finally:
            # A cancelled call must still cancel its RPC and close its channel.
            with anyio.CancelScope(shield=True):
                await client.close()
    except DataflowError as error:
        raise ToolError(translated(error).format_message()) from error
    except click.ClickException as error:
        raise ToolError(error.format_message()) from error
