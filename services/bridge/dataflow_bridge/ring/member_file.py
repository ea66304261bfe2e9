"""The ring's last-known members on disk, for a bridge that starts while Postgres is away."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dataflow_ring.nodes import Durability, Node, State

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A node with what only the membership knows of it."""

    node: Node
    admit_time: datetime
    state_time: datetime | None = None
    """Since when it has its state; unknown from an older file."""
    down_since: datetime | None = None
    """Since when no bridge reaches it; None while one does."""


class MemberFile:
    """The file, readable only by its owner since URLs carry passwords.

    Args:
        path: Of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, members: Sequence[Member]) -> None:
        """Replace what it says, whole or not at all.

        Raises:
            OSError: The disk takes nothing.
        """
        rows = [
            {
                "name": member.node.name,
                "url": member.node.url,
                "state": member.node.state.value,
                "zone": member.node.zone,
                "incarnation": member.node.incarnation,
                "durability": member.node.durability.value,
                "admit_time": member.admit_time.isoformat(),
            }
            for member in members
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(rows, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def load(self) -> list[Member]:
        """Return what it says; nothing where it is missing or unreadable."""
        try:
            rows = json.loads(self._path.read_text())
            return [
                Member(
                    Node(
                        row["name"],
                        row["url"],
                        State(row["state"]),
                        row["incarnation"],
                        row["zone"],
                        Durability(row["durability"]),
                    ),
                    datetime.fromisoformat(row["admit_time"]),
                )
                for row in rows
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            logger.warning(
                "last-known ring members unreadable", extra={"action": "membership.unreadable", "detail": str(error)}
            )
            return []
