"""Contracts over time: their revisions, options, end, and what changes about them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Literal, TypeAlias

import grpc
from dataflow.validator.v1 import contract_pb2, contract_service_pb2
from dataflow.validator.v1.contract_service_pb2_grpc import ContractServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError, DeadlineExceededError, UnavailableError
from dataflow_client.paging import async_items, items
from dataflow_client.ring import Silence

Compatibility: TypeAlias = Literal[
    "none", "backward", "forward", "full", "backward_transitive", "forward_transitive", "full_transitive"
]
"""What a new revision must be to those before it."""

Redrive: TypeAlias = Literal["off", "ask", "on"]
"""What happens to the items in quarantine when a revision is activated."""


def contract_options(
    *,
    compatibility: Compatibility | None = None,
    redrive: Redrive | None = None,
    readings_days: int | None = None,
    rollup_days: int | None = None,
    description: str = "",
) -> contract_pb2.ContractOptions:
    """Builds what a new contract is beside its rules; what is left out takes its default.

    Args:
        compatibility: What a new revision must be to those before it; default: backward.
        redrive: What happens to quarantine when a revision is activated; default: ask.
        readings_days: How many days readings are kept; default: for ever.
        rollup_days: How many days rollups are kept; default: for ever.
        description: For people.
    """
    return contract_pb2.ContractOptions(
        compatibility=_mode(compatibility),
        redrive=_redrive(redrive),
        readings_days=readings_days,
        rollup_days=rollup_days,
        description=description,
    )


def _mode(name: Compatibility | None) -> contract_pb2.CompatibilityMode.ValueType:
    return contract_pb2.CompatibilityMode.Value(f"COMPATIBILITY_MODE_{(name or 'unspecified').upper()}")


def _redrive(name: Redrive | None) -> contract_pb2.Redrive.ValueType:
    return contract_pb2.Redrive.Value(f"REDRIVE_{(name or 'unspecified').upper()}")


def _keep(days: int | None) -> contract_pb2.KeepDays | None:
    """None: as it is; 0: for ever."""
    return None if days is None else contract_pb2.KeepDays(days=days or None)


def _ref(name: str) -> contract_pb2.ContractRef:
    return contract_pb2.ContractRef(name=name)


class _Watch:
    """Where a watch goes on after its stream broke."""

    def __init__(self, names: Sequence[str], after_sequence: int | None) -> None:
        self._request = contract_service_pb2.WatchContractsRequest(names=names, after_sequence=after_sequence)

    def request(self) -> contract_service_pb2.WatchContractsRequest:
        return self._request

    def seen(self, change: contract_pb2.ContractChange) -> None:
        # What is there all has one sequence: cut off in between, it comes again from its beginning.
        if change.kind != contract_pb2.CONTRACT_CHANGE_KIND_EXISTING:
            self._request.after_sequence = change.sequence


class ContractRevisions:
    """Revises, changes, deletes and watches contracts."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = ContractServiceStub(channel)
        self._caller = caller

    def revise(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        activate: bool = False,
        etag: str = "",
        request_id: str = "",
    ) -> contract_service_pb2.CreateRevisionResponse:
        """Makes the next revision of a contract, and its new columns, while messages are stored.

        Rules equal to those of the newest revision make none: `created` is false then.

        Args:
            name: The contract.
            spec: All rules; what is left out is gone.
            activate: True: it judges at once.
            etag: The contract's, as it was read; empty: whatever it is.
            request_id: The same one is the same request; empty: one of this call's own.

        Raises:
            RevisionIncompatibleError: The contract's mode refuses it; `violations` lists each finding.
            ContractInvalidError: It cannot be made; `violations` lists every problem.
            EtagMismatchError: The contract has changed since it was read.
            TableLockedError: A long transaction keeps new columns out; the metadata names it.
            ContractNotFoundError: No such contract.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.CreateRevisionRequest(
            contract=_ref(name),
            spec=spec,
            activate=activate,
            etag=etag,
            request_id=request_id or str(uuid.uuid4()),
        )
        return self._caller.unary(self._stub.CreateRevision, request)

    def revision(self, name: str, revision: int = 0) -> contract_pb2.Revision:
        """Returns one revision; 0 means the newest.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.GetRevisionRequest(contract=_ref(name), revision=revision)
        return self._caller.unary(self._stub.GetRevision, request).revision

    def revisions(self, name: str, *, page_size: int = 0) -> Iterator[contract_pb2.Revision]:
        """Yields the revisions of a contract, the newest first.

        Raises:
            ContractNotFoundError: No such contract.
            DataflowError: The call failed otherwise.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListRevisions, page),
            contract_service_pb2.ListRevisionsRequest(contract=_ref(name), page_size=page_size),
            lambda response: response.revisions,
        )

    def activate(
        self, name: str, revision: int = 0, *, etag: str = ""
    ) -> contract_service_pb2.ActivateRevisionResponse:
        """Makes a revision the one that judges, on every validator within a second.

        Args:
            name: The contract.
            revision: Which one; 0 means the newest.
            etag: The contract's, as it was read; empty: whatever it is.

        Returns:
            The contract, and what happens to quarantine.

        Raises:
            ContractNotFoundError: No such contract or revision.
            EtagMismatchError: The contract has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.ActivateRevisionRequest(contract=_ref(name), revision=revision, etag=etag)
        return self._caller.unary(self._stub.ActivateRevision, request)

    def update(
        self,
        name: str,
        *,
        etag: str = "",
        compatibility: Compatibility | None = None,
        redrive: Redrive | None = None,
        readings_days: int | None = None,
        rollup_days: int | None = None,
        description: str | None = None,
    ) -> contract_pb2.Contract:
        """Changes options of a contract; None leaves them as they are.

        Args:
            name: The contract.
            etag: As it was read; empty: whatever it is.
            compatibility: What a new revision must be to those before it.
            redrive: What happens to quarantine when a revision is activated.
            readings_days: How many days readings are kept; 0: for ever.
            rollup_days: How many days rollups are kept; 0: for ever.
            description: For people.

        Raises:
            ContractNotFoundError: No such contract.
            EtagMismatchError: It has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.UpdateContractRequest(
            contract=_ref(name),
            etag=etag,
            compatibility=_mode(compatibility),
            redrive=_redrive(redrive),
            readings_days=_keep(readings_days),
            rollup_days=_keep(rollup_days),
            description=description,
        )
        return self._caller.unary(self._stub.UpdateContract, request).contract

    def delete(self, name: str, *, etag: str = "") -> contract_service_pb2.DeleteContractResponse:
        """Deletes a contract and returns what stays: its table with all rows, its quarantine, its revisions.

        Never repeated by itself, since a lost answer would read as CONTRACT_NOT_FOUND.

        Args:
            name: The contract.
            etag: As it was read; empty: whatever it is.

        Raises:
            ContractInUseError: Routes lead to it, or it is DataFlow's own.
            ContractNotFoundError: No such contract.
            EtagMismatchError: It has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.DeleteContractRequest(contract=_ref(name), etag=etag)
        return self._caller.unary(self._stub.DeleteContract, request)

    def watch(self, *names: str, after_sequence: int | None = None) -> Iterator[contract_pb2.ContractChange]:
        """Yields what there is and then each change, for ever; reconnects, and leaves nothing out.

        Args:
            names: Only these contracts; none for all.
            after_sequence: Of the last change that was seen before: only those after it.

        Raises:
            DataflowError: The call failed, other than by a validator or link that went away after a first change came.
        """
        silence = Silence(self._caller.options.retry)
        watch = _Watch(names, after_sequence)
        while True:
            stream = self._caller.stream(
                self._stub.WatchContracts, watch.request(), timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                with closing(stream):
                    for response in stream:
                        silence.heard()
                        watch.seen(response.change)
                        yield response.change
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DeadlineExceededError:
                continue  # the planned end of a connection, which may have been a quiet one
            except DataflowError as error:
                ended = error
            time.sleep(silence.pause(ended))


class AsyncContractRevisions:
    """Revises, changes, deletes and watches contracts."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = ContractServiceStub(channel)
        self._caller = caller

    async def revise(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        activate: bool = False,
        etag: str = "",
        request_id: str = "",
    ) -> contract_service_pb2.CreateRevisionResponse:
        """Makes the next revision of a contract, and its new columns, while messages are stored.

        Rules equal to those of the newest revision make none: `created` is false then.

        Args:
            name: The contract.
            spec: All rules; what is left out is gone.
            activate: True: it judges at once.
            etag: The contract's, as it was read; empty: whatever it is.
            request_id: The same one is the same request; empty: one of this call's own.

        Raises:
            RevisionIncompatibleError: The contract's mode refuses it; `violations` lists each finding.
            ContractInvalidError: It cannot be made; `violations` lists every problem.
            EtagMismatchError: The contract has changed since it was read.
            TableLockedError: A long transaction keeps new columns out; the metadata names it.
            ContractNotFoundError: No such contract.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.CreateRevisionRequest(
            contract=_ref(name),
            spec=spec,
            activate=activate,
            etag=etag,
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self._caller.unary(self._stub.CreateRevision, request)

    async def revision(self, name: str, revision: int = 0) -> contract_pb2.Revision:
        """Returns one revision; 0 means the newest.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.GetRevisionRequest(contract=_ref(name), revision=revision)
        return (await self._caller.unary(self._stub.GetRevision, request)).revision

    def revisions(self, name: str, *, page_size: int = 0) -> AsyncIterator[contract_pb2.Revision]:
        """Yields the revisions of a contract, the newest first.

        Raises:
            ContractNotFoundError: No such contract.
            DataflowError: The call failed otherwise.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListRevisions, page),
            contract_service_pb2.ListRevisionsRequest(contract=_ref(name), page_size=page_size),
            lambda response: response.revisions,
        )

    async def activate(
        self, name: str, revision: int = 0, *, etag: str = ""
    ) -> contract_service_pb2.ActivateRevisionResponse:
        """Makes a revision the one that judges, on every validator within a second.

        Args:
            name: The contract.
            revision: Which one; 0 means the newest.
            etag: The contract's, as it was read; empty: whatever it is.

        Returns:
            The contract, and what happens to quarantine.

        Raises:
            ContractNotFoundError: No such contract or revision.
            EtagMismatchError: The contract has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.ActivateRevisionRequest(contract=_ref(name), revision=revision, etag=etag)
        return await self._caller.unary(self._stub.ActivateRevision, request)

    async def update(
        self,
        name: str,
        *,
        etag: str = "",
        compatibility: Compatibility | None = None,
        redrive: Redrive | None = None,
        readings_days: int | None = None,
        rollup_days: int | None = None,
        description: str | None = None,
    ) -> contract_pb2.Contract:
        """Changes options of a contract; None leaves them as they are.

        Args:
            name: The contract.
            etag: As it was read; empty: whatever it is.
            compatibility: What a new revision must be to those before it.
            redrive: What happens to quarantine when a revision is activated.
            readings_days: How many days readings are kept; 0: for ever.
            rollup_days: How many days rollups are kept; 0: for ever.
            description: For people.

        Raises:
            ContractNotFoundError: No such contract.
            EtagMismatchError: It has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.UpdateContractRequest(
            contract=_ref(name),
            etag=etag,
            compatibility=_mode(compatibility),
            redrive=_redrive(redrive),
            readings_days=_keep(readings_days),
            rollup_days=_keep(rollup_days),
            description=description,
        )
        return (await self._caller.unary(self._stub.UpdateContract, request)).contract

    async def delete(self, name: str, *, etag: str = "") -> contract_service_pb2.DeleteContractResponse:
        """Deletes a contract and returns what stays: its table with all rows, its quarantine, its revisions.

        Never repeated by itself, since a lost answer would read as CONTRACT_NOT_FOUND.

        Args:
            name: The contract.
            etag: As it was read; empty: whatever it is.

        Raises:
            ContractInUseError: Routes lead to it, or it is DataFlow's own.
            ContractNotFoundError: No such contract.
            EtagMismatchError: It has changed since it was read.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.DeleteContractRequest(contract=_ref(name), etag=etag)
        return await self._caller.unary(self._stub.DeleteContract, request)

    async def watch(self, *names: str, after_sequence: int | None = None) -> AsyncIterator[contract_pb2.ContractChange]:
        """Yields what there is and then each change, for ever; reconnects, and leaves nothing out.

        Args:
            names: Only these contracts; none for all.
            after_sequence: Of the last change that was seen before: only those after it.

        Raises:
            DataflowError: The call failed, other than by a validator or link that went away after a first change came.
        """
        silence = Silence(self._caller.options.retry)
        watch = _Watch(names, after_sequence)
        while True:
            stream = self._caller.stream(
                self._stub.WatchContracts, watch.request(), timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                async with aclosing(stream):
                    async for response in stream:
                        silence.heard()
                        watch.seen(response.change)
                        yield response.change
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DeadlineExceededError:
                continue  # the planned end of a connection, which may have been a quiet one
            except DataflowError as error:
                ended = error
            await asyncio.sleep(silence.pause(ended))
