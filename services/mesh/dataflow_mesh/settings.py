"""Settings of a process: one frozen dataclass, filled from flags > environment > dataflow.toml > defaults.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class BridgeSettings(MeshSettings):
        table: ClassVar[str] = "bridge"
        copies: int = field(default=2, metadata={"help": "On how many ring nodes a batch must be."})

The flag of `state_dir` is `--state-dir`, its variable DATAFLOW_STATE_DIR, its key `state_dir` in the table `[bridge]`.
The table `[mesh]` holds fields that all services share. `metadata={"secret": True}` keeps a field out of every output.
"""

import dataclasses
import json
import os
import sys
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

_PREFIX = "DATAFLOW_"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})

T = TypeVar("T")


class SettingsError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: Every problem found, in words for the person who wrote the settings.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSettings:
    """The settings that every process has."""

    table: ClassVar[str] = "mesh"

    grpc_listen: str = field(
        default="127.0.0.1:50051", metadata={"help": "host:port of gRPC; several processes of one kind share a port."}
    )
    metrics_listen: str = field(default="", metadata={"help": "host:port of the Prometheus endpoint; empty: none."})
    postgres_dsn: str = field(default="", metadata={"help": "postgresql:// address of the database.", "secret": True})
    token_file: Path | None = field(
        default=None, metadata={"help": "JSON file with the tokens, readable only by its owner."}
    )
    insecure_listen: bool = field(default=False, metadata={"help": "Allow plaintext beyond loopback."})
    tls_cert: Path | None = field(default=None, metadata={"help": "PEM file: the certificate chain of this process."})
    tls_key: Path | None = field(default=None, metadata={"help": "PEM file: its private key."})
    tls_client_ca: Path | None = field(
        default=None, metadata={"help": "PEM file: authorities of client certificates; makes TLS mutual."}
    )
    log_level: str = field(
        default="info", metadata={"help": "Lowest level that is logged: debug, info, warning, error."}
    )
    log_format: str = field(default="text", metadata={"help": "Form of the log lines: text or json."})
    drain_seconds: float = field(
        default=10.0, metadata={"help": "How long a stopping process may take to finish its work."}
    )
    watchdog_seconds: float = field(
        default=2.0, metadata={"help": "After how long without a heartbeat a supervisor ends the process."}
    )

    def __init_subclass__(cls) -> None:
        cls.__repr__ = MeshSettings.__repr__  # type: ignore[method-assign]  # else each dataclass writes its own

    def __repr__(self) -> str:
        shown = (
            f"{entry.name}={'(secret)' if entry.metadata.get('secret') else repr(getattr(self, entry.name))}"
            for entry in dataclasses.fields(self)
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def problems(self) -> list[str]:
        """Returns what is wrong with the values together; a subclass adds its own to `super().problems()`."""
        found = [
            f"{name}: {value!r} is not host:port"
            for name, value in (("grpc_listen", self.grpc_listen), ("metrics_listen", self.metrics_listen))
            if value and not is_address(value)
        ]
        if (self.tls_cert is None) != (self.tls_key is None):
            found.append("tls_cert and tls_key: give both or none")
        if self.tls_client_ca is not None and self.tls_cert is None:
            found.append("tls_client_ca: needs tls_cert and tls_key")
        if self.log_level.lower() not in {"debug", "info", "warning", "error"}:
            found.append(f"log_level: {self.log_level!r} is none of debug, info, warning, error")
        if self.log_format not in {"text", "json"}:
            found.append(f"log_format: {self.log_format!r} is neither text nor json")
        found += [
            f"{name}: {value} is not above 0"
            for name, value in (("drain_seconds", self.drain_seconds), ("watchdog_seconds", self.watchdog_seconds))
            if not value > 0
        ]
        return found


def is_address(value: str) -> bool:
    """Returns whether the value is host:port, or [v6]:port."""
    host, separator, port = value.rpartition(":")
    return bool(separator and host) and port.isascii() and port.isdigit() and int(port) <= 65_535


def load(cls: type[T], argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> T:
    """Returns the settings of this process; ends it on --help and --print-config (0) and on any problem (2).

    Args:
        cls: The settings dataclass.
        argv: The arguments after the program's name.
        environ: The environment.
    """
    if "--help" in argv or "-h" in argv:
        sys.stdout.write(usage(cls))
        raise SystemExit(0)
    if "--print-config" in argv:
        sys.stdout.write(commented_defaults(cls))
        raise SystemExit(0)
    try:
        return parse(cls, argv, environ)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        raise SystemExit(2) from None


def parse(cls: type[T], argv: Sequence[str], environ: Mapping[str, str]) -> T:
    """Returns the settings, without ending the process.

    Raises:
        SettingsError: With all problems at once.
    """
    kinds = typing.get_type_hints(cls)
    declared = {entry.name: entry for entry in dataclasses.fields(cls)}  # type: ignore[arg-type]
    problems: list[str] = []
    flags = _from_flags(argv, declared, kinds, problems)
    config = flags.pop("config", None) or environ.get(f"{_PREFIX}CONFIG")
    tables = _tables(Path(config), getattr(cls, "table", ""), declared, problems) if config else {}
    values: dict[str, object] = {}
    for name, entry in declared.items():
        variable = f"{_PREFIX}{name.upper()}"
        found: tuple[str, object] | None = None
        if name in flags:
            found = (f"--{name.replace('_', '-')}", flags[name])
        elif variable in environ:
            found = (variable, environ[variable])
        elif name in tables:
            found = (f"{config}: {name}", tables[name])
        if found is not None:
            try:
                values[name] = convert(found[1], kinds[name])
            except ValueError as error:
                shown = "(secret)" if entry.metadata.get("secret") else repr(found[1])
                problems.append(f"{found[0]}: {shown} is not {error}")
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            problems.append(f"{name}: missing; give --{name.replace('_', '-')} or {variable}")
    if problems:
        raise SettingsError(problems)
    settings = cls(**values)
    if isinstance(settings, MeshSettings) and (problems := settings.problems()):
        raise SettingsError(problems)
    return settings


def convert(value: object, kind: Any) -> object:
    """Returns a text or TOML value as the field's type.

    Raises:
        ValueError: It is not one; the message names what was wanted.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        if value in {None, ""}:
            return None
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return convert(value, inner)
    if origin is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise ValueError("a comma-separated list")
        return tuple(str(convert(part.strip() if isinstance(part, str) else part, str)) for part in parts if part != "")
    if kind is bool:
        return _bool(value)
    if kind in {int, float}:
        return _number(value, kind)
    if not isinstance(value, str):
        raise ValueError("text")  # noqa: TRY004 - a problem of the settings, not of the program
    return Path(value).expanduser() if kind is Path else value


def usage(cls: type) -> str:
    """Returns the text of --help."""
    lines = ["Settings: flags > environment > dataflow.toml (--config FILE, or DATAFLOW_CONFIG).", ""]
    for entry in dataclasses.fields(cls):
        default = "" if entry.metadata.get("secret") else _toml(entry.default)
        shown = f" (default {default})" if default else ""
        lines.append(f"  --{entry.name.replace('_', '-')}: {entry.metadata.get('help', '')}{shown}")
    lines += ["  --print-config: print dataflow.toml with all defaults", ""]
    return "\n".join(lines)


def commented_defaults(cls: type) -> str:
    """Returns dataflow.toml with every field of the class, its help and its default, commented out."""
    lines = [f"[{getattr(cls, 'table', 'mesh')}]"]
    for entry in dataclasses.fields(cls):
        lines += ["", f"# {entry.metadata.get('help', '')}  ({_PREFIX}{entry.name.upper()})"]
        shown = "" if entry.metadata.get("secret") else _toml(entry.default)
        shown = shown or '"..."'
        lines.append(f"# {entry.name} = {shown}")
    return "\n".join([*lines, ""])


def _from_flags(
    argv: Sequence[str], declared: Mapping[str, object], kinds: Mapping[str, Any], problems: list[str]
) -> dict[str, str]:
    """Reads `--name value`, `--name=value`, and `--name` / `--no-name` for truth values."""
    flags: dict[str, str] = {}
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        flag, has_value, value = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        negated = name.removeprefix("no_")
        if not flag.startswith("--") or (name != "config" and name not in declared and negated not in declared):
            problems.append(f"{argument}: no such setting")
        elif name not in declared and name != "config":
            if kinds[negated] is bool and not has_value:
                flags[negated] = "false"
            else:
                problems.append(f"{argument}: no such setting")
        elif has_value:
            flags[name] = value
        elif kinds.get(name) is bool:
            flags[name] = "true"
        elif rest:
            flags[name] = rest.pop(0)
        else:
            problems.append(f"{flag}: needs a value")
    return flags


def _tables(path: Path, table: str, declared: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return {}
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return {}
    shared = {entry.name for entry in dataclasses.fields(MeshSettings)}
    values: dict[str, object] = {}
    for name, known in (("mesh", shared), (table, set(declared))):
        section = document.get(name, {})
        if not isinstance(section, dict):
            problems.append(f"{path}: [{name}] is not a table")
            continue
        problems += [f"{path}: [{name}] has no setting {key!r}" for key in section if key not in known]
        values |= {key: value for key, value in section.items() if key in declared}
    return values


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return text in _TRUE


def _number(value: object, kind: type[int] | type[float]) -> float:
    wanted = "a whole number" if kind is int else "a number"
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or (kind is int and isinstance(value, float))
    ):
        raise ValueError(wanted)
    try:
        return kind(value)
    except ValueError:
        raise ValueError(wanted) from None


def _toml(value: object) -> str:
    """Returns a default as TOML, or nothing when there is none."""
    match value:
        case dataclasses.MISSING | None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case tuple():
            return json.dumps(list(value))
        case _:
            return json.dumps(str(value))
