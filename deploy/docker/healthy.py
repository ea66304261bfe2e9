#!/usr/local/bin/python -IS
"""Asks the process of this container over gRPC whether it serves: exit code 0 if it does.

A container asks every few seconds, so this speaks just enough HTTP/2 to put the one question: it takes 20 ms, where
importing grpc takes half a second of processor time. The answer comes from the event loop: a stuck process has none.
The engine starts again what has ended, but not what is stuck: a process without a heartbeat for long is ended here.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

_SECONDS = 3.0
_STUCK_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 2.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_HEADER_BYTES = 9
_EMPTY_MESSAGE = bytes(5)
_SERVING = b"\x08\x01"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns an HTTP/2 frame (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header(name: bytes, value: bytes) -> bytes:
    """Returns a header as HPACK's literal without indexing (RFC 7541, section 6.2.2); both are shorter than 127 bytes."""
    return bytes((0, len(name))) + name + bytes((len(value),)) + value


def question(authority: str, *, tls: bool) -> bytes:
    """Returns the bytes of grpc.health.v1.Health/Check about the whole process."""
    headers = (
        (b":method", b"POST"),
        (b":scheme", b"https" if tls else b"http"),
        (b":path", b"/grpc.health.v1.Health/Check"),
        (b":authority", authority.encode()),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
    block = b"".join(header(name, value) for name, value in headers)
    return (
        _PREFACE
        + frame(_SETTINGS, 0, 0, b"")
        + frame(_HEADERS, _END_HEADERS, 1, block)
        + frame(_DATA, _END_STREAM, 1, _EMPTY_MESSAGE)
    )


def connect(host: str, port: int) -> socket.socket:
    """Opens the connection, with TLS where the process has a certificate; it shows it, for servers that ask for one."""
    plain = socket.create_connection((host, port), _SECONDS)
    certificate, key = os.environ.get("DATAFLOW_TLS_CERT"), os.environ.get("DATAFLOW_TLS_KEY")
    if not certificate:
        return plain
    import ssl  # noqa: PLC0415 - costs more than all the rest

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it asks the process beside it
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(plain, server_hostname=host)


def serves(connection: socket.socket) -> bool:
    """Reads frames until the answer, and returns whether it is SERVING."""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(_HEADER_BYTES)) == _HEADER_BYTES:
            payload = stream.read(int.from_bytes(head[:3], "big"))
            if head[3] == _DATA:
                return payload[len(_EMPTY_MESSAGE) :] == _SERVING
            if head[3] == _HEADERS and head[4] & _END_STREAM:
                return False
    return False


def stuck(heartbeat: Path) -> bool:
    """Returns whether the process has not written its heartbeat for long; one that has not begun is not stuck."""
    with contextlib.suppress(OSError):
        return time.time() - heartbeat.stat().st_mtime > _STUCK_SECONDS
    return False


def end_stuck(heartbeat: Path, proc: Path = Path("/proc"), parent: int = 1) -> bool:
    """Kills the container's process, the child of its init, if it is stuck; returns whether it did."""
    if not stuck(heartbeat):
        return False
    time.sleep(_LOOK_AGAIN_SECONDS)  # a container that was paused has an old heartbeat, and writes the next one at once
    if not stuck(heartbeat):
        return False
    for entry in proc.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and b"dataflow_" in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    return True
    return False


def main(address: str) -> int:
    """Asks the process at host:port."""
    host, _, port = address.rpartition(":")
    try:
        with connect(host, int(port)) as connection:
            connection.sendall(question(address, tls=bool(os.environ.get("DATAFLOW_TLS_CERT"))))
            return 0 if serves(connection) else 1
    except OSError as error:
        sys.stderr.write(f"{address}: {error}\n")
        heartbeat = os.environ.get("DATAFLOW_WATCHDOG_FILE")
        if heartbeat and end_stuck(Path(heartbeat)):
            sys.stderr.write(f"no heartbeat for {_STUCK_SECONDS:.0f} s: killed\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
