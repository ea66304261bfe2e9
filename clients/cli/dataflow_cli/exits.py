"""Exit codes, and how an error becomes one: 0 ok, 1 failed check, 2 usage, 3 not reachable, 4 denied."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from dataflow_client import DataflowError, errors

EXIT_OK = 0
"""All is well."""
EXIT_FAILED_CHECK = 1
"""What was to be shown does not hold, or what was asked for was not done."""
EXIT_USAGE = 2
"""The command was written wrongly (click's own code)."""
EXIT_NOT_REACHABLE = 3
"""A service, broker or database does not answer."""
EXIT_DENIED = 4
"""No token, a wrong one, or a role that may not do this."""


class FailedCheckError(click.ClickException):
    """Ends the command with exit code 1."""

    exit_code = EXIT_FAILED_CHECK


class NotReachableError(click.ClickException):
    """Ends the command with exit code 3; the message names what does not answer and the way out."""

    exit_code = EXIT_NOT_REACHABLE


class DeniedError(click.ClickException):
    """Ends the command with exit code 4; the message names the token or role and the way out."""

    exit_code = EXIT_DENIED


_NOT_REACHABLE = (errors.UnavailableError, errors.DeadlineExceededError)
_DENIED = (errors.UnauthenticatedError, errors.PermissionDeniedError)
_NOT_A_PROBLEM_OF_THE_WAY = (errors.RingUnavailableError, errors.PostgresUnavailableError)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns what the SDK raises inside into a click error with its exit code.

    The `dataflow` command runs every sub-command inside; a command that is run otherwise may do it itself.
    """
    try:
        yield
    except DataflowError as error:
        raise translated(error) from error


def translated(error: DataflowError) -> click.ClickException:
    """Returns the click error for an error of the SDK."""
    text, where = str(error), f" at {error.target}" if error.target else ""
    if isinstance(error, _NOT_A_PROBLEM_OF_THE_WAY):
        return NotReachableError(f"{text}{where}; `dataflow status` shows what is down")
    if isinstance(error, errors.DeadlineExceededError):
        return NotReachableError(f"no answer in time{where}: {text}; `dataflow status` shows what is down")
    if isinstance(error, _NOT_REACHABLE):
        return NotReachableError(
            f"nothing answers{where}: {text}\n`dataflow status` shows what runs, `dataflow up` starts it."
        )
    if isinstance(error, errors.UnauthenticatedError):
        return DeniedError(
            f"{text}\nGive a token with --token or --token-file (see `token_file` in `dataflow status`)."
        )
    if isinstance(error, _DENIED):
        needed = error.metadata.get("requiredRoles", "")
        role = error.metadata.get("role", "")
        hint = f"\nThe token's role is {role}, one of {needed} is needed." if needed else ""
        return DeniedError(f"{text}{hint}")
    reason = f" [{error.reason}]" if error.reason else ""
    problems = "".join(f"\n  {violation.field}: {violation.description}" for violation in error.violations)
    left_off = error.metadata.get("violationsLeftOff", "")
    more = f"\n  and {left_off} more" if left_off else ""
    return FailedCheckError(f"{error.message}{reason}{problems}{more}")
