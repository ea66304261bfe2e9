"""The two clients: one for threads and scripts, one for asyncio, with the same services and words."""

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from dataflow.bridge.v1 import ring_service_pb2
from dataflow.insight.v1 import ask_service_pb2

from dataflow_client.answers import Answer
from dataflow_client.ask import Ask, AsyncAsk
from dataflow_client.calls import AsyncCaller, Caller, CallOptions, bearer
from dataflow_client.channels import AsyncChannels, Channels, open_async_channels, open_channels
from dataflow_client.contracts import AsyncContracts, Contracts
from dataflow_client.conversations import AsyncConversation, AsyncConversations, Conversation, Conversations
from dataflow_client.device_data import AsyncDeviceData, DeviceData
from dataflow_client.devices import AsyncDevices, Devices
from dataflow_client.environment import connection_from
from dataflow_client.ingest import AsyncIngest, Ingest
from dataflow_client.jobs import AsyncJobs, Jobs
from dataflow_client.ledger import AsyncLedger, Ledger
from dataflow_client.messages import OutgoingMessage, PublishResult
from dataflow_client.parked import AsyncParkedBatches, ParkedBatches
from dataflow_client.quarantine import AsyncQuarantine, Quarantine
from dataflow_client.readings import AsyncReadings, Readings
from dataflow_client.ring import AsyncRing, Ring
from dataflow_client.routes import AsyncRoutes, Routes
from dataflow_client.sources import AsyncSources, Sources
from dataflow_client.summaries import AsyncSummaries, Summaries
from dataflow_client.targets import Connection


class Client:
    """The synchronous client. Safe to share among threads; close it, or use it as a context manager."""

    def __init__(
        self, connection: Connection, options: CallOptions | None = None, *, channels: Channels | None = None
    ) -> None:
        """Opens channels; nothing is sent before the first call.

        Args:
            connection: Targets, token and TLS.
            options: Deadlines and retries.
            channels: Use these instead of opening some; they are closed with the client.

        Raises:
            ValueError: A target beyond loopback would be spoken to in plaintext.
        """
        options, metadata, targets = options or CallOptions(), bearer(connection.token), connection.targets
        self._channels = channels or open_channels(connection)
        missing = _nothing_missing if channels else _missing
        bridge = Caller(options, metadata, targets.bridge, missing("bridge", targets.bridge))
        validator = Caller(options, metadata, targets.validator, missing("validator", targets.validator))
        insight = Caller(options, metadata, targets.insight, missing("insight", targets.insight))
        self.ingest = Ingest(self._channels.bridge, bridge)
        self.ring = Ring(self._channels.bridge, bridge)
        self.sources = Sources(self._channels.bridge, bridge)
        self.devices = Devices(self._channels.bridge, bridge)
        self.contracts = Contracts(self._channels.validator, validator)
        self.routes = Routes(self._channels.validator, validator)
        self.readings = Readings(self._channels.validator, validator)
        self.quarantine = Quarantine(self._channels.validator, validator)
        self.parked = ParkedBatches(self._channels.validator, validator)
        self.ledger = Ledger(self._channels.validator, validator)
        self.jobs = Jobs(self._channels.validator, validator)
        self.device_data = DeviceData(self._channels.validator, validator)
        self.asking = Ask(self._channels.insight, insight)
        self.summaries = Summaries(self._channels.insight, insight)
        self.conversations = Conversations(self._channels.insight, insight)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None, options: CallOptions | None = None) -> Self:
        """Makes a client of `DATAFLOW_BRIDGE`, `DATAFLOW_VALIDATOR`, `DATAFLOW_INSIGHT`, `DATAFLOW_TOKEN(_FILE)`.

        Raises:
            OSError: The token file cannot be read.
            ValueError: It holds no token, or a target beyond loopback would be spoken to in plaintext.
        """
        return cls(connection_from(os.environ if environment is None else environment), options)

    def publish(self, messages: Iterable[OutgoingMessage]) -> PublishResult:
        """Publishes messages; see `Ingest.publish`."""
        return self.ingest.publish(messages)

    def ask(
        self, question: str, *, contract: str = "", time_zone: str = ""
    ) -> Generator[ask_service_pb2.AskResponse, None, None]:
        """Yields the events of an answer; see `Ask.ask`."""
        return self.asking.ask(question, contract=contract, time_zone=time_zone)

    def answer(self, question: str, *, contract: str = "", time_zone: str = "") -> Answer:
        """Returns a whole answer with its evidence; see `Ask.answer`."""
        return self.asking.answer(question, contract=contract, time_zone=time_zone)

    def conversation(self, conversation_id: str = "", *, contract: str = "", time_zone: str = "") -> Conversation:
        """Returns what asks one question after the other, each leaning on those before; see `Conversation`."""
        return Conversation(self.asking, conversation_id, contract=contract, time_zone=time_zone)

    def ask_text(self, question: str, *, contract: str = "") -> str:
        """Returns the text of an answer; see `Ask.ask_text`."""
        return self.asking.ask_text(question, contract=contract)

    def watch_ring(self) -> Iterator[ring_service_pb2.WatchRingResponse]:
        """Yields the ring now and after each change; see `Ring.watch`."""
        return self.ring.watch()

    def close(self) -> None:
        """Ends every call and closes the channels."""
        self._channels.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The asyncio client. Make it inside the loop that uses it; close it, or use it as `async with`."""

    def __init__(
        self, connection: Connection, options: CallOptions | None = None, *, channels: AsyncChannels | None = None
    ) -> None:
        """Opens channels; nothing is sent before the first call.

        Args:
            connection: Targets, token and TLS.
            options: Deadlines and retries.
            channels: Use these instead of opening some; they are closed with the client.

        Raises:
            ValueError: A target beyond loopback would be spoken to in plaintext.
        """
        options, metadata, targets = options or CallOptions(), bearer(connection.token), connection.targets
        self._channels = channels or open_async_channels(connection)
        missing = _nothing_missing if channels else _missing
        bridge = AsyncCaller(options, metadata, targets.bridge, missing("bridge", targets.bridge))
        validator = AsyncCaller(options, metadata, targets.validator, missing("validator", targets.validator))
        insight = AsyncCaller(options, metadata, targets.insight, missing("insight", targets.insight))
        self.ingest = AsyncIngest(self._channels.bridge, bridge)
        self.ring = AsyncRing(self._channels.bridge, bridge)
        self.sources = AsyncSources(self._channels.bridge, bridge)
        self.devices = AsyncDevices(self._channels.bridge, bridge)
        self.contracts = AsyncContracts(self._channels.validator, validator)
        self.routes = AsyncRoutes(self._channels.validator, validator)
        self.readings = AsyncReadings(self._channels.validator, validator)
        self.quarantine = AsyncQuarantine(self._channels.validator, validator)
        self.parked = AsyncParkedBatches(self._channels.validator, validator)
        self.ledger = AsyncLedger(self._channels.validator, validator)
        self.jobs = AsyncJobs(self._channels.validator, validator)
        self.device_data = AsyncDeviceData(self._channels.validator, validator)
        self.asking = AsyncAsk(self._channels.insight, insight)
        self.summaries = AsyncSummaries(self._channels.insight, insight)
        self.conversations = AsyncConversations(self._channels.insight, insight)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None, options: CallOptions | None = None) -> Self:
        """Makes a client of `DATAFLOW_BRIDGE`, `DATAFLOW_VALIDATOR`, `DATAFLOW_INSIGHT`, `DATAFLOW_TOKEN(_FILE)`.

        Raises:
            OSError: The token file cannot be read.
            ValueError: It holds no token, or a target beyond loopback would be spoken to in plaintext.
        """
        return cls(connection_from(os.environ if environment is None else environment), options)

    async def publish(self, messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage]) -> PublishResult:
        """Publishes messages; see `AsyncIngest.publish`."""
        return await self.ingest.publish(messages)

    def ask(
        self, question: str, *, contract: str = "", time_zone: str = ""
    ) -> AsyncGenerator[ask_service_pb2.AskResponse, None]:
        """Yields the events of an answer; see `AsyncAsk.ask`."""
        return self.asking.ask(question, contract=contract, time_zone=time_zone)

    async def answer(self, question: str, *, contract: str = "", time_zone: str = "") -> Answer:
        """Returns a whole answer with its evidence; see `AsyncAsk.answer`."""
        return await self.asking.answer(question, contract=contract, time_zone=time_zone)

    def conversation(self, conversation_id: str = "", *, contract: str = "", time_zone: str = "") -> AsyncConversation:
        """Returns what asks one question after the other, each leaning on those before; see `AsyncConversation`."""
        return AsyncConversation(self.asking, conversation_id, contract=contract, time_zone=time_zone)

    async def ask_text(self, question: str, *, contract: str = "") -> str:
        """Returns the text of an answer; see `AsyncAsk.ask_text`."""
        return await self.asking.ask_text(question, contract=contract)

    def watch_ring(self) -> AsyncIterator[ring_service_pb2.WatchRingResponse]:
        """Yields the ring now and after each change; see `AsyncRing.watch`."""
        return self.ring.watch()

    async def close(self) -> None:
        """Ends every call and closes the channels."""
        await self._channels.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _missing(service: str, target: str) -> str:
    return "" if target else f"no target for {service}: set DATAFLOW_{service.upper()} or Targets({service}=...)"


def _nothing_missing(_service: str, _target: str) -> str:
    return ""
