"""The tokens of a new stack: one for the person who started it, one for the services."""

import json

from dataflow_mesh.access import create_token_file

from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout, write_private

ADMIN_FILE = "admin.token"
"""Holds the admin token and nothing else, so that `$(cat …)` works."""


def admin_token(layout: Layout) -> str:
    """Returns the admin's token; makes the token files at the first start.

    Raises:
        StackError: The token file is damaged, or has no admin.
    """
    if not layout.token_file.exists():
        create_token_file(layout.token_file)
    try:
        entries = json.loads(layout.token_file.read_text(encoding="utf-8"))["tokens"]
        token = next(str(entry["token"]) for entry in entries if entry["role"] == "ADMIN")
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise StackError(f"{layout.token_file} is damaged, or has no token with the role ADMIN") from error
    write_private(layout.root / ADMIN_FILE, token + "\n")
    return token
