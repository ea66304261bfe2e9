"""Makes all tokens and passwords at the first start, and hands each service those that it needs, in a volume of its own.

    python secrets_init.py /secrets redis-1,redis-2,redis-3

What was made is kept in /secrets/keep, which no other container mounts: a volume that was lost or added gets its files
again, and nothing that exists is changed.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, create_token_file, read_token

_HASH_ROUNDS: Final = 10_000
_TOKENS: Final = "tokens.json"
_CALLERS: Final = (
    Caller("admin", role_pb2.ROLE_ADMIN),
    Caller("service", role_pb2.ROLE_SERVICE),
    Caller("fleet", role_pb2.ROLE_OPERATOR),
)


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """The generated passwords, hexadecimal, so that URLs, SQL and configuration files need no quoting."""

    redis: str
    postgres_superuser: str
    postgres_owner: str
    postgres_reader: str
    postgres_insight: str
    mosquitto_dataflow: str
    mosquitto_publisher: str
    mosquitto_salt: str

    @classmethod
    def keep(cls, directory: Path) -> Self:
        """Returns those that are kept in a directory, and makes those that are missing."""
        file = directory / "passwords.json"
        known: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        passwords = cls(**{name: known.get(name) or secrets.token_hex(24) for name in cls.__dataclass_fields__})
        write(file, json.dumps(asdict(passwords), indent=2) + "\n")
        return passwords


def write(file: Path, text: str) -> None:
    """Writes a file that only its owner reads, whole or not at all; one that says the same is left alone."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)


def settings(tables: Mapping[str, Mapping[str, str | list[str]]]) -> str:
    """Returns a dataflow.toml; JSON's texts and lists are TOML's."""
    lines: list[str] = []
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join([*lines, ""])


def mosquitto_entry(user: str, password: str, salt: bytes) -> str:
    """Returns a line of Mosquitto's password file (PBKDF2 with SHA-512, as mosquitto_passwd writes it)."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS)
    return f"{user}:$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"


def hand_out(root: Path, nodes: list[str]) -> None:
    """Writes each service's files below `root`."""
    keep = root / "keep"
    passwords = Passwords.keep(keep)
    if not (keep / _TOKENS).exists():
        create_token_file(keep / _TOKENS, _CALLERS)
    tokens = (keep / _TOKENS).read_text(encoding="utf-8")

    def database(user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@postgres:5432/dataflow"

    owner = database("dataflow", passwords.postgres_owner)
    urls = [f"{node}=redis://:{passwords.redis}@{node}:6379" for node in nodes]
    own: dict[str, dict[str, dict[str, str | list[str]]]] = {
        "bridge": {"mesh": {"postgres_dsn": owner}, "bridge": {"ring_nodes": urls}},
        "validator": {"mesh": {"postgres_dsn": owner}},
        # The first for conversations and summaries; questions are computed as the role that only reads.
        "insight": {
            "mesh": {"postgres_dsn": database("dataflow_insight", passwords.postgres_insight)},
            "insight": {"read_dsn": database("dataflow_reader", passwords.postgres_reader)},
        },
    }
    for service, tables in own.items():
        write(root / service / "dataflow.toml", settings(tables))
        write(root / service / _TOKENS, tokens)
    write(root / "redis" / "password", passwords.redis)
    write(root / "postgres" / "superuser", passwords.postgres_superuser)
    for role, password in (
        ("superuser", passwords.postgres_superuser),
        ("owner", passwords.postgres_owner),
        ("reader", passwords.postgres_reader),
        ("insight", passwords.postgres_insight),
    ):
        write(root / "database" / role, password)
    salt = bytes.fromhex(passwords.mosquitto_salt)[:12]
    accounts = {"dataflow": passwords.mosquitto_dataflow, "publisher": passwords.mosquitto_publisher}
    write(
        root / "mosquitto" / "passwords",
        "".join(mosquitto_entry(user, password, salt) for user, password in accounts.items()),
    )
    for user, password in accounts.items():
        write(root / "admin" / f"mosquitto-{user}", password + "\n")
    write(root / "admin" / "admin.token", read_token(keep / _TOKENS, "admin") + "\n")
    write(root / "fleet" / "fleet.token", read_token(keep / _TOKENS, "fleet") + "\n")


if __name__ == "__main__":
    hand_out(Path(sys.argv[1]), sys.argv[2].split(","))
