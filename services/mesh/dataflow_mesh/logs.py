"""Log lines: a constant message with fields, as JSON or as text; no payloads.

`log.info("server started", extra=fields("server_started", port=50051))`: the action is stable, for searching and counting.
"""

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Literal

LogFormat = Literal["text", "json"]

_KEY = "dataflow"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What every record has; the rest are fields."""

_request_id: ContextVar[str] = ContextVar("dataflow_request_id", default="")


def current_request_id() -> str:
    """Returns the id of the request that is being served; it is on every log line. Empty outside of one."""
    return _request_id.get()


def set_current_request_id(request_id: str) -> None:
    """Records the request's id for the rest of this task; only the request log calls it."""
    _request_id.set(request_id)


def fields(action: str, **values: object) -> dict[str, object]:
    """Returns the `extra` of a log call: the stable name of what happened, and its fields."""
    return {_KEY: {"action": action, **values}}


def configure_logging(level: str, log_format: str, *, service: str = "", instance: str = "") -> None:
    """Sends the logs of this process to standard error.

    Args:
        level: Name of the lowest level that is written, such as "info".
        log_format: "json" or "text".
        service: The process's kind, on every JSON line.
        instance: Which one of its kind, on every JSON line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service, instance) if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("grpc").setLevel(logging.WARNING)
    # It tells each try to reconnect with a trace, while whoever needs the connection tells it once.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    # Its handler of last resort prints tracebacks that the errors interceptor has already logged with a request id.
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._always = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as JSON; what JSON cannot hold is written as its repr."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._always,
            "logger": record.name,
            **_fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`time LEVEL message key=value ...`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line, and its trace on the lines below."""
        pairs = "".join(f" {key}={_plain(value)}" for key, value in _fields_of(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.getMessage()}{pairs}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    # Libraries that do not know the mesh give their fields as plain `extra`.
    own = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
    found = own.pop(_KEY, None)
    own |= found if isinstance(found, dict) else {}
    request_id = current_request_id()
    return {**own, "request_id": request_id} if request_id else own


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _plain(value: object) -> str:
    text = str(value)
    return text if text and not any(char.isspace() or not char.isprintable() for char in text) else repr(text)
