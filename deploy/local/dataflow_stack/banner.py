"""What `dataflow up` prints: where everything is and what to try, then the live counters."""

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from dataflow_stack.status import Document

_PLAIN_SECONDS: Final = 10.0


def ready(document: Document, seconds: float) -> str:
    """Returns the text of a stack that serves.

    Args:
        document: Its status.
        seconds: How long the start took.
    """
    command = _dataflow()
    at = _where(document)
    grpc, token = document["grpc"], f'-H "authorization: Bearer $(cat {shlex.quote(document["token_file"])})"'
    host, _, port = document["mqtt"].rpartition(":")
    publish = f'mosquitto_pub -h {host} -p {port} -u device-1 -P "$(cat {shlex.quote(document["token_file"])})"'
    lines = [
        "",
        f"ready after {seconds:.1f} s; everything listens on this machine only",
        "",
        f"  MQTT         {document['mqtt']}   over WebSocket {document['mqtt_websocket']}",
        f"  gRPC         bridge {grpc['bridge']}   validator {grpc['validator']}   insight {grpc['insight']}",
        f'  Postgres     psql "$({command} status --json{at} | python3 -c \'import json,sys; print(json.load(sys.stdin)["postgres"])\')"',
        f"  Redis        {'  '.join(_without_password(url) for url in document['redis'])}   (three nodes, one disk: a node can be lost, the disk cannot)"
        if len(document["redis"]) == 3
        else f"  Redis        {'  '.join(_without_password(url) for url in document['redis'])}   (all on one disk: a node can be lost, the disk cannot)",
        f"  admin token  {document['token_file']}",
        f"  data, logs   {document['data_dir']}",
        "",
        "try",
        f"  grpcurl -plaintext {token} {grpc['bridge']} dataflow.bridge.v1.RingService/ListNodes",
        f"  grpcurl -plaintext {token} {grpc['validator']} dataflow.validator.v1.ContractService/ListContracts",
        f'  grpcurl -plaintext {token} -d \'{{"question": "How many readings are there?"}}\' {grpc["insight"]} dataflow.insight.v1.AskService/Ask',
        f"  {publish} -q 1 -t devices/device-1/telemetry -m '{{\"temperature\": 21.5}}'",
        f'  {command} ask{at} "How many readings are there?"',
        f"  {command} status{at}    {command} down{at}",
        "",
    ]
    return "\n".join(lines)


class LiveLine:
    """Shows the counters: one line that is written over on a terminal, a plain line every ten seconds elsewhere.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._terminal = self._out.isatty()
        self._shown_at = 0.0

    def show(self, document: Document) -> None:
        """Takes the newest status."""
        now = time.monotonic()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r{counters(document)[:width]:<{width}}")
        elif now - self._shown_at >= _PLAIN_SECONDS:
            self._shown_at = now
            self._out.write(counters(document) + "\n")
        self._out.flush()

    def finish(self) -> None:
        """Leaves the line."""
        if self._terminal:
            self._out.write("\n")
            self._out.flush()


def counters(document: Document) -> str:
    """Returns the counters as one line."""
    totals, rates = document["totals"], document["rates"]
    parts = [f"{name} {totals[name]:,} ({rates[name]:,.0f}/s)" for name in ("published", "stored", "quarantined")]
    unwell = [f"{entry['name']} {entry['health']}" for entry in document["processes"] if entry["health"] != "SERVING"]
    lag = f"lag {document['lag']:,} batches, {document['lag_seconds']:.1f} s"
    return "   ".join([*parts, lag, *unwell])


def _dataflow() -> str:
    """Returns how this person calls the command."""
    own = Path(sys.executable).with_name("dataflow")
    if not own.exists() or shutil.which("dataflow") == str(own):
        return "dataflow"
    return shlex.quote(str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own))


def _where(document: Document) -> str:
    """Returns the flag for the data directory, unless it is the usual one."""
    directory = Path(document["data_dir"])
    return "" if directory == Path.cwd() / "data" else f" --data-dir {shlex.quote(str(directory))}"


def _without_password(url: str) -> str:
    return url.rpartition("@")[2] if "@" in url else url
