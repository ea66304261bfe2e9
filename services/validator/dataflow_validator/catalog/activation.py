"""Activation: which revision of a contract judges, and what becomes of what was refused before."""

from dataclasses import dataclass
from typing import Final

from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.change import changing_catalog, note_change, raise_version
from dataflow_validator.catalog.contract_records import ContractRecord, Redrive, get_contract
from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.jobs.records import create_job
from dataflow_validator.statements import statements

MAX_COUNTED: Final = 10_000
"""Items of quarantine that an activation counts: a count must not hold up the answer."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What becomes of the items in quarantine.

    Attributes:
        quarantined: How many the contract refused; at most `MAX_COUNTED` are counted.
        more: There are more.
        job_id: The job that judges them again; empty for none.
    """

    quarantined: int = 0
    more: bool = False
    job_id: str = ""


async def activate_revision(
    connection: Connection, name: str, revision: int = 0, *, etag: str = "", actor: str = ""
) -> tuple[ContractRecord, Redriven]:
    """Makes a revision the one that judges; nothing happens when it is already.

    Every store transaction that claims its batches after the commit judges by it, since the claim reads the version of the
    catalogue. One that has claimed before may commit rows of the revision before it a moment later; these say so.

    Args:
        connection: In no transaction.
        name: The contract.
        revision: 0 means the newest.
        etag: The contract's, as the caller read it; empty for whatever it is.
        actor: Access identity of who asked.

    Raises:
        ContractNotFoundError: There is no such contract or revision.
        EtagMismatchError: The contract has changed since it was read.
    """
    async with changing_catalog(connection):
        contract = await get_contract(connection, name)
        contract.check_etag(etag)
        wanted = revision or contract.latest_revision
        if not await connection.fetchval(statements("registry")["revision_exists"], name, min(wanted, 2**31 - 1)):
            raise ContractNotFoundError(
                f"contract {name!r} has no revision {revision}; its newest is {contract.latest_revision}",
                metadata={"contract": name},
            )
        redriven = await activate_in(connection, contract, wanted, actor=actor)
        return await get_contract(connection, name), redriven


async def activate_in(connection: Connection, contract: ContractRecord, revision: int, *, actor: str) -> Redriven:
    """Does so in the transaction of a caller who has the catalogue.

    Args:
        connection: In `changing_catalog`.
        contract: As it was before.
        revision: One that exists.
        actor: Access identity of who asked.
    """
    if revision == contract.active_revision:
        return Redriven()
    await connection.execute(statements("registry")["activate"], contract.name, revision)
    await raise_version(connection)
    await note_change(connection, contract.name, "ACTIVATED", revision, actor)
    redrive = contract.options.redrive
    if redrive is Redrive.OFF:
        return Redriven()
    found = await connection.fetchval(statements("registry")["count_redrivable"], contract.name, MAX_COUNTED + 1)
    quarantined, more = min(found, MAX_COUNTED), found > MAX_COUNTED
    if redrive is Redrive.ASK or not found:
        return Redriven(quarantined, more)
    request = {"filter": {"contract": contract.name, "kinds": _REDRIVEN_KINDS}}
    job = await create_job(connection, "REPLAY_QUARANTINED", request, request_id="", created_by=actor)
    return Redriven(quarantined, more, str(job.job_id))


_REDRIVEN_KINDS: Final = ["QUARANTINE_KIND_REFUSED", "QUARANTINE_KIND_UNSTORABLE"]
