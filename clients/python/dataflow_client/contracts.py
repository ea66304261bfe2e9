"""Contracts: `dataflow.validator.v1.ContractService`."""

import uuid
from collections.abc import AsyncIterator, Iterator

import grpc
from dataflow.validator.v1 import contract_pb2, contract_service_pb2
from dataflow.validator.v1.contract_service_pb2_grpc import ContractServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.contract_compatibility import AsyncContractComparison, ContractComparison
from dataflow_client.contract_language import AsyncContractLanguage, ContractLanguage
from dataflow_client.contract_revisions import AsyncContractRevisions, ContractRevisions
from dataflow_client.contract_tests import AsyncContractTests, ContractTests
from dataflow_client.paging import async_items, items


class Contracts(ContractLanguage, ContractRevisions, ContractTests, ContractComparison):
    """Makes, shows, revises, changes, watches and deletes contracts."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = ContractServiceStub(channel)
        self._caller = caller

    def create(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        activate: bool = False,
        options: contract_pb2.ContractOptions | None = None,
    ) -> contract_pb2.Contract:
        """Makes a contract with revision 1 and its table.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            name: `[a-z][a-z0-9_]{0,47}`.
            spec: Its rules.
            activate: True: it judges at once.
            options: What it is beside its rules: `contract_options(...)`.

        Raises:
            ContractExistsError: The name is taken by a different contract.
            ContractInvalidError: It cannot be made; `violations` lists every problem.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.CreateContractRequest(
            name=name, spec=spec, activate=activate, request_id=str(uuid.uuid4()), options=options
        )
        return self._caller.unary(self._stub.CreateContract, request).contract

    def get(self, name: str) -> contract_pb2.Contract:
        """Returns one contract.

        Raises:
            ContractNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.GetContractRequest(contract=contract_pb2.ContractRef(name=name))
        return self._caller.unary(self._stub.GetContract, request).contract

    def list(self, *, page_size: int = 0) -> Iterator[contract_pb2.Contract]:
        """Yields all contracts by name.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListContracts, page),
            contract_service_pb2.ListContractsRequest(page_size=page_size),
            lambda response: response.contracts,
        )


class AsyncContracts(AsyncContractLanguage, AsyncContractRevisions, AsyncContractTests, AsyncContractComparison):
    """Makes, shows, revises, changes, watches and deletes contracts."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = ContractServiceStub(channel)
        self._caller = caller

    async def create(
        self,
        name: str,
        spec: contract_pb2.ContractSpec,
        *,
        activate: bool = False,
        options: contract_pb2.ContractOptions | None = None,
    ) -> contract_pb2.Contract:
        """Makes a contract with revision 1 and its table.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            name: `[a-z][a-z0-9_]{0,47}`.
            spec: Its rules.
            activate: True: it judges at once.
            options: What it is beside its rules: `contract_options(...)`.

        Raises:
            ContractExistsError: The name is taken by a different contract.
            ContractInvalidError: It cannot be made; `violations` lists every problem.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.CreateContractRequest(
            name=name, spec=spec, activate=activate, request_id=str(uuid.uuid4()), options=options
        )
        return (await self._caller.unary(self._stub.CreateContract, request)).contract

    async def get(self, name: str) -> contract_pb2.Contract:
        """Returns one contract.

        Raises:
            ContractNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        request = contract_service_pb2.GetContractRequest(contract=contract_pb2.ContractRef(name=name))
        return (await self._caller.unary(self._stub.GetContract, request)).contract

    def list(self, *, page_size: int = 0) -> AsyncIterator[contract_pb2.Contract]:
        """Yields all contracts by name.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListContracts, page),
            contract_service_pb2.ListContractsRequest(page_size=page_size),
            lambda response: response.contracts,
        )
