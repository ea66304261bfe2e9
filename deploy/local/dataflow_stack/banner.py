"""What `dataflow up` prints: where everything is and what to try, then the live counters."""

import json
import shlex
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from dataflow_stack import buffer
from dataflow_stack.status import Document

_PLAIN_SECONDS: Final = 10.0
_QUESTION: Final = "What is the latest temperature?"
CLEAR: Final = "\r\x1b[K"
"""Goes back to the line's begin and empties it."""


def ready(document: Document, seconds: float, *, fleet: bool) -> str:
    """Returns the text of a stack that serves.

    Args:
        document: Its status.
        seconds: How long the start took.
        fleet: Whether simulated devices follow: their contracts and routes are made by them, else by the demo.
    """
    command, at, grpc = _dataflow(), _where(document), document["grpc"]
    host, _, port = document["mqtt"].rpartition(":")
    call = f'grpcurl -plaintext -H "authorization: Bearer $(cat {shlex.quote(document["token_file"])})"'
    nodes = "  ".join(url.rpartition("@")[2] for url in document["redis"])
    publish = f"mosquitto_pub -h {host} -p {port} -q 1 -t rooms/mine/telemetry -m '{_message()}'"
    first = publish if fleet else f"{command} demo{at}"
    return f"""
ready after {seconds:.1f} s; everything listens on this machine only

  MQTT         {document["mqtt"]}, over WebSocket {document["mqtt_websocket"]}
  gRPC         bridge {grpc["bridge"]}, validator {grpc["validator"]}, insight {grpc["insight"]}
  Postgres     psql "$({command} status --get postgres{at})"
  Redis nodes  {nodes} (all on one disk: any node may be lost, the disk may not)
  admin token  {document["token_file"]}
  data, logs   {document["data_dir"]}

Try:
  {command} ask{at} {shlex.quote(_QUESTION)}
  {first}
  {call} {grpc["bridge"]} dataflow.bridge.v1.RingService/ListNodes
  {call} {grpc["validator"]} dataflow.validator.v1.ContractService/ListContracts
  {call} -d '{json.dumps({"question": _QUESTION})}' {grpc["insight"]} dataflow.insight.v1.AskService/Ask

End it with Ctrl-C, or {command} down{at}
"""


def _message() -> str:
    """Returns a reading that the simulated fleet's contract `room` accepts."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reading = {
        "device_id": "mine",
        "ts": now,
        "temperature": 21.5,
        "humidity": 40,
        "light": 300,
        "co2": 600,
        "occupancy": 1,
    }
    return json.dumps(reading)


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
            columns = shutil.get_terminal_size().columns - 1
            self._out.write(CLEAR + counters(document)[:columns])
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
    lag = f"lag {document['lag']:,} ({document['lag_seconds']:.1f} s)"
    if missing := document.get("ledger", {}).get("missing"):
        unwell.append(f"LEDGER: {missing:,} acknowledged batches missing")
    alarms = [f"ALARM: {buffer.line(document['ring'])}"] if document["ring"]["alarms"] else []
    return "  ".join([*parts, lag, *alarms, *unwell])


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
