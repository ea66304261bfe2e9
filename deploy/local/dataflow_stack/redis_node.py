"""One embedded Redis: a node of the ring."""

import importlib.resources
import os
import signal
from dataclasses import dataclass

from dataflow_stack.child import ChildSpec
from dataflow_stack.layout import Layout
from dataflow_stack.node_probe import NodeProbe
from dataflow_stack.privileges import ServerUser, directory_of, give


@dataclass(frozen=True, slots=True)
class RedisNode:
    """What a node is started from.

    Attributes:
        name: Such as "redis-0"; also its name in the ring.
        port: On 127.0.0.1.
        password: What clients must give.
        memory_bytes: Its limit; bridges stop appending at 80 % of it.
    """

    name: str
    port: int
    password: str
    memory_bytes: int

    def probe(self) -> NodeProbe:
        """Returns what asks it how it is; whoever opens it closes it."""
        return NodeProbe(self.port, self.password)

    @property
    def url(self) -> str:
        """The address with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}"

    def prepare(self, layout: Layout, binary: str, user: ServerUser | None) -> ChildSpec:
        """Writes the node's configuration and returns how to start it."""
        directory = layout.node(self.name)
        give(directory, user)
        here = directory_of(directory, user)
        shipped = (
            importlib.resources.files("dataflow_stack").joinpath("conf/ring-node.conf").read_text(encoding="utf-8")
        )
        own = f'port {self.port}\nbind 127.0.0.1\ndir "{here}"\nrequirepass {self.password}\nmaxmemory {self.memory_bytes}\n'
        configuration = directory / "node.conf"
        configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(shipped + own)
        if user is not None:
            os.chown(configuration, user.uid, user.gid)
        return ChildSpec(
            name=self.name,
            command=(binary, f"{here}/node.conf"),
            directory=directory,
            log=layout.log(self.name),
            user=user,
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
            stop_seconds=15.0,
        )
