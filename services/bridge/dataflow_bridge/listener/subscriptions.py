"""Which subscriptions are granted: a device's own commands and its own configuration, nothing else."""

from __future__ import annotations

from mqtt5 import TopicFilter

from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.wire import is_topic_filter


def own_filters(device_id: str | None) -> frozenset[str]:
    """Return the filters that a connection of this device may have.

    A device whose id is no plain topic level gets none: with `+` as its id it would hear everybody's commands.
    """
    if not device_id or any(character in device_id for character in "/+#\0"):
        return frozenset()
    return frozenset((commands_filter(device_id), config_filter(device_id)))


def commands_filter(device_id: str) -> str:
    """Return the filter of a device's commands."""
    return f"devices/{device_id}/commands/#"


def config_filter(device_id: str) -> str:
    """Return the filter, and topic, of a device's configuration."""
    return f"devices/{device_id}/config"


def acknowledged_command(topic: str, device_id: str | None) -> str | None:
    """Return the id of the command that a message on this topic acknowledges, if it is one of the device's own."""
    head = f"devices/{device_id}/commands/"
    if device_id is None or not topic.startswith(head) or not topic.endswith("/ack"):
        return None
    return topic[len(head) : -len("/ack")]


def subscribe(filters: list[TopicFilter], own: frozenset[str], granted: dict[str, int]) -> list[Reason]:
    """Return the code for each filter, and note in `granted` what is granted, with its QoS, which is 1 at most."""
    codes: list[Reason] = []
    for asked in filters:
        if asked.pattern.startswith("$share/"):
            codes.append(Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
        elif not is_topic_filter(asked.pattern):
            codes.append(Reason.TOPIC_FILTER_INVALID)
        elif asked.pattern in own:
            granted[asked.pattern] = min(int(asked.max_qos), 1)
            codes.append(Reason.GRANTED_QOS_1 if int(asked.max_qos) else Reason.SUCCESS)
        else:
            codes.append(Reason.NOT_AUTHORIZED)
    return codes


def unsubscribe(patterns: list[str], granted: dict[str, int]) -> list[Reason]:
    """Return the code for each filter, and take it out of `granted`."""
    codes: list[Reason] = []
    for pattern in patterns:
        if pattern in granted:
            del granted[pattern]
            codes.append(Reason.SUCCESS)
        elif is_topic_filter(pattern):
            codes.append(Reason.NO_SUBSCRIPTION_EXISTED)
        else:
            codes.append(Reason.TOPIC_FILTER_INVALID)
    return codes
