"""What a connection needs of the bytes below it: a socket, TLS, or a WebSocket."""

from __future__ import annotations

from typing import Any, Protocol


class ByteTransport(Protocol):
    """The part of `asyncio.Transport` that connections use (uvloop's transports do not inherit from it)."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `peername`, `ssl_object` and the like."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when `pause_writing` and `resume_writing` are called."""

    def write(self, data: bytes) -> None:
        """Send bytes, buffering what the peer does not take."""

    def can_write_eof(self) -> bool:
        """Tell whether the sending half can be closed alone."""

    def write_eof(self) -> None:
        """Close the sending half after what was written."""

    def is_reading(self) -> bool:
        """Tell whether bytes are taken from the peer."""

    def pause_reading(self) -> None:
        """Take no bytes from the peer."""

    def resume_reading(self) -> None:
        """Take bytes from the peer again."""

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""

    def close(self) -> None:
        """Close after what was written."""

    def abort(self) -> None:
        """Close at once."""
