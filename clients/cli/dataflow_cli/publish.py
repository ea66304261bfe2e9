"""`dataflow publish`: messages over gRPC, from the command line, a file or standard input."""

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click
from dataflow_client import OutgoingMessage, PublishResult

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.output import print_json, text


@click.command()
@click.argument("topic", required=False)
@click.argument("payload", required=False)
@click.option(
    "--file",
    "payload_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="The payload's bytes; - for standard input.",
)
@click.option(
    "--lines",
    "lines_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Each line is a payload for TOPIC; - for standard input.",
)
@click.option(
    "--jsonl",
    "jsonl_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help='Lines of {"topic", "payload", "message_id"?, "content_type"?}; - for standard input.',
)
@click.option("--content-type", default="", help="Media type.")
@click.option("--message-id", default="", help="Own id of the one message.  [default: a new one]")
@json_option
@connection_options
def publish(
    access: Access,
    topic: str | None,
    payload: str | None,
    payload_file: Path | None,
    lines_file: Path | None,
    jsonl_file: Path | None,
    content_type: str,
    message_id: str,
    as_json: bool,
) -> None:
    """Publish PAYLOAD on TOPIC, or many messages from a file; returns when they are durable.

    Every message carries an id that is kept over retries, so that it is stored once. Exit code 1 where one was rejected.
    """
    sources = [given for given in (payload, payload_file, lines_file, jsonl_file) if given is not None]
    if len(sources) != 1:
        raise click.UsageError("give one of PAYLOAD, --file FILE, --lines FILE and --jsonl FILE")
    if (topic is None) != (jsonl_file is not None):
        raise click.UsageError("TOPIC is needed, but not with --jsonl, whose lines name it")
    if message_id and (lines_file or jsonl_file):
        raise click.UsageError("--message-id is for one message: with --jsonl each line may have its own")
    if payload is not None or payload_file is not None:
        body = payload if payload is not None else _bytes(payload_file)
        with_id = message_id or str(uuid.uuid4())
        messages: Iterable[OutgoingMessage] = [OutgoingMessage(topic or "", body, content_type, with_id)]
    elif lines_file is not None:
        messages = (OutgoingMessage(topic or "", line, content_type) for _, line in _lines(lines_file))
    else:
        messages = _messages(jsonl_file, content_type)
    many = lines_file is not None or jsonl_file is not None
    with access.client("bridge") as client:
        # A stream takes input that never ends, such as `tail -f`: nothing waits for a full batch.
        ingest = client.ingest
        result = _published(ingest.stream(messages) if many else ingest.publish_each(messages))
    _report(result, as_json=as_json)


def _published(results: Iterable[PublishResult]) -> PublishResult:
    total = PublishResult()
    try:
        for result in results:
            total += result
    except ValueError as error:
        raise FailedCheckError(f"{error}; {total.accepted_count} messages were accepted before") from error
    return total


def _report(result: PublishResult, *, as_json: bool) -> None:
    if as_json:
        rejected = [
            {"index": entry.index, "message_id": entry.message_id, "error_message": entry.error_message}
            for entry in result.rejected
        ]
        print_json({"accepted": result.accepted_count, "rejected": rejected})
    else:
        click.echo(f"accepted {result.accepted_count}, rejected {len(result.rejected)}")
        for entry in result.rejected[:20]:
            click.echo(f"  message {entry.index}: {text(entry.error_message)}", err=True)
        if len(result.rejected) > 20:
            click.echo(f"  and {len(result.rejected) - 20} more (--json shows all)", err=True)
    if result.rejected:
        raise click.exceptions.Exit(FailedCheckError.exit_code)


def _messages(path: Path | None, content_type: str) -> Iterator[OutgoingMessage]:
    for number, line in _lines(path):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or not isinstance(entry.get("topic"), str) or "payload" not in entry:
                raise ValueError("not an object with topic and payload")  # noqa: TRY301  # the line's fault
            yield _message(entry, content_type)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error


def _message(entry: dict[str, object], content_type: str) -> OutgoingMessage:
    body = entry["payload"]
    own_type, own_id = entry.get("content_type", content_type), entry.get("message_id", "")
    if not isinstance(own_type, str) or not isinstance(own_id, str):
        raise ValueError("content_type and message_id are strings")  # noqa: TRY004  # the line's fault
    # A string is the payload itself; anything else is JSON.
    payload = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, allow_nan=False)
    return OutgoingMessage(str(entry["topic"]), payload, own_type, own_id or str(uuid.uuid4()))


def _bytes(path: Path | None) -> bytes:
    with _opened(path) as file:
        return file.read()


def _lines(path: Path | None) -> Iterator[tuple[int, bytes]]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if stripped := line.rstrip(b"\r\n"):
                yield number, stripped


def _opened(path: Path | None) -> IO[bytes]:
    if path is None or str(path) == "-":
        return click.open_file("-", "rb")
    try:
        return path.open("rb")
    except OSError as error:
        raise click.FileError(str(path), str(error)) from error
