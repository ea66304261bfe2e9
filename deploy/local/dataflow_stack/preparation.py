"""Everything that is decided before anything is started: servers, users, ports, passwords."""

from dataclasses import dataclass, replace
from typing import Self

from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout
from dataflow_stack.options import Options
from dataflow_stack.ports import DEFAULT_BASE, Ports
from dataflow_stack.privileges import ServerUser, server_user
from dataflow_stack.programs import (
    FLOORS,
    VARIABLE,
    Kind,
    Program,
    choice_from_environment,
    choose,
    find,
    how_to_install,
)
from dataflow_stack.record import Passwords, Record
from dataflow_stack.services import KINDS, require_installed
from dataflow_stack.tokens import admin_token


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a start works with.

    Attributes:
        nodes: How many Redis nodes; at least those that hold data.
        user: Whom the servers run as; None: as ourselves.
        token: The admin's.
    """

    ports: Ports
    nodes: int
    redis: Program
    postgres: Program
    user: ServerUser | None
    passwords: Passwords
    token: str

    @classmethod
    def make(cls, options: Options, layout: Layout) -> Self:
        """Decides, and writes down what a later start must know. Starts nothing.

        Raises:
            StackError: Something is missing, taken or unfit; the message names the way out.
        """
        record = Record.load(layout)
        redis, postgres = _programs(record)
        require_installed(KINDS)
        user = server_user(record.server_uid)
        nodes = max(options.nodes, len(record.redis_ports))
        ports = _ports(options, record, nodes)
        layout.create(user.gid if user is not None else None)
        record = replace(
            record,
            port_base=ports.base,
            redis_ports=tuple(ports.redis(index) for index in range(nodes)),
            server_uid=user.uid if user is not None else record.server_uid,
        )
        record.with_programs(redis, postgres).save(layout)
        return cls(ports, nodes, redis, postgres, user, Passwords.load_or_create(layout), admin_token(layout))


def _programs(record: Record) -> tuple[Program, Program]:
    choice = choice_from_environment()
    redis = choose("redis", find("redis", choice), record.redis)
    postgres = choose("postgres", find("postgres", choice), record.postgres)
    if redis is None or postgres is None:
        found: dict[Kind, Program | None] = {"redis": redis, "postgres": postgres}
        missing = [kind for kind, program in found.items() if program is None]
        names = " and ".join(f"{kind.capitalize()} {FLOORS[kind][0]}.{FLOORS[kind][1]} or newer" for kind in missing)
        where = f" ({VARIABLE}={choice})" if choice else ", neither on the PATH nor as a wheel"
        raise StackError(f"{names} not found{where}. Nothing was started. Install with:\n  {how_to_install(missing)}")
    return redis, postgres


def _ports(options: Options, record: Record, nodes: int) -> Ports:
    """Chooses the ports: those asked for, else those of the data directory, else the default ones."""
    size = (nodes, options.bridges, options.validators, options.insights)
    known = record.redis_ports
    if options.port_base == 0:
        if record.port_base is not None:
            before = Ports(record.port_base, known)
            try:
                before.require_free(*size)
            except StackError:
                pass
            else:
                return before
        ports = Ports.any_free(known, *size)
    else:
        ports = Ports(options.port_base or record.port_base or DEFAULT_BASE, known)
    ports.require_free(*size)
    return ports
