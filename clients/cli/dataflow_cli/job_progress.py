"""What every command that begins long work shares: `--wait/--no-wait`, a line of progress, and the end.

@wait_option
@json_option
@connection_options
def replay(access: Access, wait: bool, as_json: bool) -> None:
    with access.client("validator") as client:
        job = finish_job(client, client.quarantine.replay(...), wait=wait)
    show_job(job, as_json=as_json)
    check_job(job)
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, ParamSpec, TypeVar

import click
from dataflow.validator.v1 import job_pb2
from dataflow_client import Client
from dataflow_client.jobs import has_ended

from dataflow_cli.exits import FailedCheckError
from dataflow_cli.output import as_document, moment, print_fields, print_json, word

P = ParamSpec("P")
R = TypeVar("R")

_BAR_WIDTH: Final = 24
_KIND: Final = job_pb2.JobKind.DESCRIPTOR
_STATE: Final = job_pb2.JobState.DESCRIPTOR


def wait_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--wait/--no-wait`; the function gets `wait: bool`."""
    return click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Wait for the end, or only say which job it is."
    )(command)


def job_kind(job: job_pb2.Job) -> str:
    """Returns a job's kind as people write it: `test_contract`."""
    return word(_KIND, job.kind, "JOB_KIND_").lower()


def job_state(job: job_pb2.Job) -> str:
    """Returns a job's state as people write it: `running`."""
    return word(_STATE, job.state, "JOB_STATE_").lower()


def finish_job(client: Client, job: job_pb2.Job, *, wait: bool) -> job_pb2.Job:
    """Waits for a job, with a line of progress on a terminal.

    Args:
        client: Of the validator.
        job: As it was made.
        wait: Else the job is returned as it is.

    Returns:
        The job as it ended; a Ctrl-C leaves it going on, and says how to come back to it.
    """
    if not wait or has_ended(job):
        return job
    return follow_job(client.jobs.watch(job.job_id), job)


def follow_job(states: Iterator[job_pb2.Job], job: job_pb2.Job) -> job_pb2.Job:
    """Shows the progress of a job until it ends; see `finish_job`."""
    live = sys.stderr.isatty()
    rate = _Rate()
    try:
        for state in states:
            job = state
            if live:
                click.echo(f"\r\x1b[K{progress_line(job, rate.of(job))}", nl=False, err=True)
    except KeyboardInterrupt:
        click.echo(
            f"{chr(10) if live else ''}the job goes on: `dataflow job watch {job.job_id}`, "
            f"or end it with `dataflow job cancel {job.job_id}`",
            err=True,
        )
        raise
    if live:
        click.echo("\r\x1b[K", nl=False, err=True)
    return job


class _Rate:
    """How fast a job gets on, since this process watches it."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def of(self, job: job_pb2.Job) -> float:
        """Returns items per second."""
        now, done = time.monotonic(), job.progress.done
        if self._began is None:
            self._began = (now, done)
        since, first = self._began
        return (done - first) / (now - since) if now - since > 0.5 else 0.0


def progress_line(job: job_pb2.Job, rate: float = 0.0) -> str:
    """Returns one line: what, a bar, how much of how much, how fast."""
    progress = job.progress
    share = min(1.0, progress.done / progress.total) if progress.total else 0.0
    filled = round(share * _BAR_WIDTH)
    bar = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {share:4.0%}" if progress.HasField("total") else ""
    of = f" of {progress.total:,}" if progress.HasField("total") else ""
    state = "ending" if job.cancel_requested and not has_ended(job) else job_state(job)
    parts = [job_kind(job), state, bar, f"{progress.done:,}{of}", f"{rate:,.0f}/s" if rate else ""]
    return "  ".join(part for part in parts if part)


def show_job(job: job_pb2.Job, *, as_json: bool, result: Callable[[job_pb2.Job], None] | None = None) -> None:
    """Prints a job, and what came of it.

    Args:
        job: The job.
        as_json: As one JSON document.
        result: Prints the result for people; None: field by field.
    """
    if as_json:
        print_json(as_document(job))
        return
    progress = job.progress
    of = f" of {progress.total:,}" if progress.HasField("total") else ""
    print_fields(
        {
            "job": job.job_id,
            "kind": job_kind(job) + (" (dry run)" if job.dry_run else ""),
            "state": "ending" if job.cancel_requested and not has_ended(job) else job_state(job),
            "done": f"{progress.done:,}{of}",
            "created": moment(job.create_time),
            "by": job.created_by,
            "started": moment(job.start_time),
            "ended": moment(job.end_time),
            "error": f"{job.error.reason}: {job.error.message}" if job.HasField("error") else "",
        }
    )
    if not has_ended(job):
        click.echo(f"\nfollow it with `dataflow job watch {job.job_id}`")
    member = job.WhichOneof("result")
    if member is None:
        return
    click.echo()
    if result is not None:
        result(job)
    else:
        print_fields({name: value for name, value in as_document(getattr(job, member)).items() if value != []})


def check_job(job: job_pb2.Job) -> None:
    """Makes a job that did not succeed a failed check; one that goes on is none.

    Raises:
        FailedCheckError: It failed or was cancelled.
    """
    if has_ended(job) and job.state != job_pb2.JOB_STATE_SUCCEEDED:
        what = f": {job.error.message}" if job.HasField("error") else ""
        raise FailedCheckError(
            f"the job {job_state(job)}{what}\ngo on where it stood with `dataflow job resume {job.job_id}`"
        )
