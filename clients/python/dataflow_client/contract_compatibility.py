"""Contracts compared: whether rules may follow, and how two revisions differ."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from dataflow.validator.v1 import compatibility_pb2, contract_pb2

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.contract_revisions import Compatibility
from dataflow_client.paging import async_items, items

if TYPE_CHECKING:
    from dataflow.validator.v1.contract_service_pb2_grpc import ContractServiceAsyncStub, ContractServiceStub


class ContractComparison:
    """Compares rules with the revisions of a contract, and revisions with one another; nothing is made."""

    _stub: "ContractServiceStub"
    _caller: Caller

    def check_compatibility(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        mode: Compatibility | None = None,
        revision: int = 0,
    ) -> compatibility_pb2.CheckCompatibilityResponse:
        """Says whether rules may be the next revision of a contract, and if not why, by field and with counter-examples.

        Args:
            name: The contract.
            spec: All rules.
            mode: What to hold them to; default: the contract's own mode.
            revision: Compare with this revision only; 0: with those that the mode says.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The rules cannot be made at all; `violations` lists every problem.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.CheckCompatibility, _check(name, spec, mode, revision))

    def diff(
        self, name: str, from_revision: int = 0, to_revision: int = 0, *, page_size: int = 0
    ) -> Iterator[compatibility_pb2.RevisionChange]:
        """Yields how two revisions differ: the contract's own rules first, then fields, then the JSON Schema.

        Args:
            name: The contract.
            from_revision: The revision before; 0: the one before `to_revision`.
            to_revision: The revision after; 0: the newest.
            page_size: Changes in one answer; 0: 100.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        return items(
            lambda page: self._caller.unary(self._stub.DiffRevisions, page),
            _diff(name, from_revision, to_revision, page_size),
            lambda response: response.changes,
        )


class AsyncContractComparison:
    """Compares rules with the revisions of a contract, and revisions with one another; nothing is made."""

    _stub: "ContractServiceAsyncStub"
    _caller: AsyncCaller

    async def check_compatibility(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        mode: Compatibility | None = None,
        revision: int = 0,
    ) -> compatibility_pb2.CheckCompatibilityResponse:
        """Says whether rules may be the next revision of a contract, and if not why, by field and with counter-examples.

        Args:
            name: The contract.
            spec: All rules.
            mode: What to hold them to; default: the contract's own mode.
            revision: Compare with this revision only; 0: with those that the mode says.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The rules cannot be made at all; `violations` lists every problem.
            DataflowError: The call failed otherwise.
        """
        return await self._caller.unary(self._stub.CheckCompatibility, _check(name, spec, mode, revision))

    def diff(
        self, name: str, from_revision: int = 0, to_revision: int = 0, *, page_size: int = 0
    ) -> AsyncIterator[compatibility_pb2.RevisionChange]:
        """Yields how two revisions differ: the contract's own rules first, then fields, then the JSON Schema.

        Args:
            name: The contract.
            from_revision: The revision before; 0: the one before `to_revision`.
            to_revision: The revision after; 0: the newest.
            page_size: Changes in one answer; 0: 100.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.DiffRevisions, page),
            _diff(name, from_revision, to_revision, page_size),
            lambda response: response.changes,
        )


def _check(
    name: str, spec: contract_pb2.ContractSpec, mode: Compatibility | None, revision: int
) -> compatibility_pb2.CheckCompatibilityRequest:
    return compatibility_pb2.CheckCompatibilityRequest(
        contract=contract_pb2.ContractRef(name=name),
        spec=spec,
        mode=contract_pb2.CompatibilityMode.Value(f"COMPATIBILITY_MODE_{(mode or 'unspecified').upper()}"),
        revision=revision,
    )


def _diff(name: str, from_revision: int, to_revision: int, page_size: int) -> compatibility_pb2.DiffRevisionsRequest:
    return compatibility_pb2.DiffRevisionsRequest(
        contract=contract_pb2.ContractRef(name=name),
        from_revision=from_revision,
        to_revision=to_revision,
        page_size=page_size,
    )
