"""Brings commands and configuration to the devices whose connections this bridge holds.

Postgres keeps what is to be delivered; a NOTIFY with the device id says that there is something. Nothing is decided here
about where a device is: every bridge looks whether it has it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

import asyncpg
import orjson
from dataflow_mesh.postgres import translate

from dataflow_bridge.listener.outgoing import Parcel
from dataflow_bridge.listener.subscriptions import commands_filter, config_filter

if TYPE_CHECKING:
    from dataflow_bridge.devices.records import DeviceMail
    from dataflow_bridge.listener.outgoing import Outgoing
    from dataflow_bridge.listener.seams import Clock

logger = logging.getLogger(__name__)

_K = TypeVar("_K")
_V = TypeVar("_V")
_RETRY_SECONDS: Final = 1.0
_AT_ONCE: Final = 500
_MAX_NOTES: Final = 100_000
_MAX_ACKNOWLEDGEMENT_BYTES: Final = 16 * 1024
_CONFIG: Final = "config-"


class Deliveries:
    """The `Postmaster` of a bridge.

    Args:
        mail: Postgres.
        clock: Time.
    """

    def __init__(self, mail: DeviceMail, clock: Clock) -> None:
        self.delivered_total = 0
        """Commands and configurations that clients have confirmed."""
        self._mail = mail
        self._clock = clock
        self._connections: dict[str, list[Outgoing]] = {}
        self._dirty: dict[str, None] = {}
        self._sent: dict[UUID, tuple[str, int]] = {}
        self._delivered: dict[UUID, str] = {}
        self._configured: dict[str, int] = {}
        self._acknowledged: dict[UUID, tuple[str, bytes]] = {}
        self._wake = asyncio.Event()

    # What connections tell.

    def enter(self, outgoing: Outgoing) -> None:
        """Begin to send to a connection; called again when its subscriptions change."""
        same = self._connections.setdefault(outgoing.device_id, [])
        if outgoing not in same:
            same.append(outgoing)
        self.news(outgoing.device_id)

    def leave(self, outgoing: Outgoing) -> None:
        """Stop: the connection is gone."""
        same = self._connections.get(outgoing.device_id, [])
        if outgoing in same:
            same.remove(outgoing)
        if not same:
            self._connections.pop(outgoing.device_id, None)
            self._dirty.pop(outgoing.device_id, None)

    def sent(self, parcel: Parcel, client_id: str, packet_id: int) -> None:
        """Note that a parcel is on its way."""
        if not parcel.name.startswith(_CONFIG):
            _note(self._sent, UUID(parcel.name), (client_id, packet_id))
            self._wake.set()

    def delivered(self, outgoing: Outgoing, parcel: Parcel, detail: str) -> None:
        """Note that the client has it, or that it can not take it: `detail` says why."""
        self.delivered_total += not detail
        if detail:
            logger.warning(
                "device cannot take what it is sent",
                extra={"action": "device.undeliverable", "device": outgoing.device_id, "detail": detail},
            )
        if not parcel.name.startswith(_CONFIG):
            _note(self._delivered, UUID(parcel.name), detail)
        elif not detail:
            _note(self._configured, outgoing.device_id, int(parcel.name.removeprefix(_CONFIG)))
        self._wake.set()

    def acknowledged(self, device_id: str, command_id: str, payload: bytes) -> None:
        """Note that the device answered a command."""
        try:
            known = UUID(command_id)
        except ValueError:
            return
        _note(self._acknowledged, known, (device_id, payload[:_MAX_ACKNOWLEDGEMENT_BYTES]))
        self._wake.set()

    def news(self, device_id: str) -> None:
        """Look what there is for a device; an empty id means all that are connected."""
        found = [device_id] if device_id else list(self._connections)
        for one in found:
            if one in self._connections:
                self._dirty[one] = None
        if self._dirty:
            self._wake.set()

    # The work.

    async def run(self) -> None:
        """Work for ever; Postgres may be away in between."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_notes()
                while self._dirty:
                    await self._deliver()
            except Exception as error:
                if translate(error) is None and not isinstance(error, asyncpg.PostgresError):
                    raise
                logger.info("deliveries wait", extra={"action": "device.wait", "detail": str(error)[:200]})
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()

    async def _write_notes(self) -> None:
        # Sent before delivered: a command is never delivered to nobody. Each is forgotten only once it is written.
        if sent := dict(self._sent):
            await self._mail.note_sent(sent)
            _forget(self._sent, sent)
        if delivered := dict(self._delivered):
            await self._mail.note_delivered(delivered)
            _forget(self._delivered, delivered)
        if configured := dict(self._configured):
            await self._mail.note_configured(configured)
            _forget(self._configured, configured)
        if acknowledged := dict(self._acknowledged):
            await self._mail.note_acknowledged(acknowledged)
            _forget(self._acknowledged, acknowledged)

    async def _deliver(self) -> None:
        """Hand out what there is for some of the devices of which there is news."""
        device_ids = list(self._dirty)[:_AT_ONCE]
        for device_id in device_ids:
            del self._dirty[device_id]
        try:
            commands, configs = await self._mail.open_mail(device_ids)
        except BaseException:
            self._dirty |= dict.fromkeys(device_ids)
            raise
        now = self._clock.monotonic()
        for row in commands:
            parcel = Parcel(
                str(row["command_id"]),
                f"devices/{row['device_id']}/commands/{row['command_id']}",
                commands_filter(row["device_id"]),
                b'{"name":%b,"arguments":%b}' % (orjson.dumps(row["name"]), row["arguments"].encode()),
                now + row["seconds_left"],
                sent_as=None if row["client_id"] is None else (row["client_id"], row["packet_id"]),
            )
            for outgoing in self._connections.get(row["device_id"], ()):
                outgoing.offer(parcel)
        configured = {row["device_id"] for row in configs}
        for device_id in device_ids:
            if device_id not in configured:
                for outgoing in self._connections.get(device_id, ()):
                    outgoing.config_wanted = False  # there is none: the first one comes as a change
        for row in configs:
            for outgoing in self._connections.get(row["device_id"], ()):
                self._offer_config(outgoing, row)

    @staticmethod
    def _offer_config(outgoing: Outgoing, row: asyncpg.Record) -> None:
        """Send the configuration to who has just subscribed, as a retained message is, or does not have it yet."""
        name = f"{_CONFIG}{row['version']}"
        wanted, outgoing.config_wanted = outgoing.config_wanted, False
        if wanted:
            outgoing.again(name)
        elif row["delivered_version"] >= row["version"]:
            return
        payload = b'{"version":%d,"config":%b}' % (row["version"], row["config"].encode())
        topic = f"devices/{row['device_id']}/config"
        outgoing.offer(Parcel(name, topic, config_filter(row["device_id"]), payload, retain=wanted))


def _note(notes: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep a note until it is written; without Postgres for too long the oldest ones go."""
    notes[key] = value
    if len(notes) > _MAX_NOTES:
        del notes[next(iter(notes))]


def _forget(notes: dict[_K, _V], written: dict[_K, _V]) -> None:
    """Forget what was written, unless it has changed meanwhile."""
    for key, value in written.items():
        if notes.get(key) is value:
            del notes[key]
