"""Where the parts of a stack listen."""

import socket

import pytest
from dataflow_stack.errors import StackError
from dataflow_stack.ports import Ports


def test_all_ports_of_a_stack_differ() -> None:
    """The largest stack has no two listeners on one port."""
    used = [port for _, port in Ports(18830).used(16, 16, 16, 16)]
    assert len(used) == len(set(used))


def test_nodes_that_hold_data_keep_their_ports_under_another_base() -> None:
    """The ring knows a node by its address: a new base moves everything but the known nodes."""
    ports = Ports(30000, known_redis=(18840, 18841))
    assert [ports.redis(index) for index in range(3)] == [18840, 18841, 30012]
    assert ports.mqtt == 30000


def test_taken_port_of_a_known_node_cannot_be_moved() -> None:
    """The message does not offer another base, which would not help."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = Ports.any_free((port,), 1, 1, 1, 1)
        with pytest.raises(StackError, match=rf"port {port} \(redis-0\) is taken") as caught:
            ports.require_free(1, 1, 1, 1)
    assert "--port-base" not in str(caught.value)
