"""What ends a connection: one exception with the MQTT 5 reason code, raised by everything that reads packets."""

from __future__ import annotations

from dataflow_bridge.listener.reason import Reason


class Violation(Exception):  # noqa: N818 - the word of the protocol, not a failure of the bridge
    """The client broke a rule; its connection ends with this reason code (MQTT 3.1.1: without a word)."""

    def __init__(self, code: Reason, text: str) -> None:
        """Keep the code and a text for the reason string; the text never holds payload bytes."""
        super().__init__(text)
        self.code = code
        self.text = text


def malformed(text: str) -> Violation:
    """Return the violation for bytes that can not be read as a packet."""
    return Violation(Reason.MALFORMED_PACKET, text)


def protocol_error(text: str) -> Violation:
    """Return the violation for a packet that is readable but not allowed."""
    return Violation(Reason.PROTOCOL_ERROR, text)
