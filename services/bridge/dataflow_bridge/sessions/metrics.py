"""What is measured of sessions: read when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow_mesh import names
from dataflow_mesh.names import Attribute
from dataflow_mesh.telemetry import observe

if TYPE_CHECKING:
    from dataflow_bridge.sessions.claims import SessionClaims
    from dataflow_bridge.sessions.memory import Sessions
    from dataflow_bridge.sessions.upkeep import SessionUpkeep


def report_sessions(sessions: Sessions, claims: SessionClaims, upkeep: SessionUpkeep) -> None:
    """Measure the sessions of this process from now on."""
    outcome = Attribute.OUTCOME.value
    observe(names.BRIDGE_SESSIONS, lambda: [(float(len(sessions)), {})])
    observe(names.BRIDGE_SESSIONS_UNCLAIMED, lambda: [(float(sessions.unclaimed), {})])
    observe(names.BRIDGE_SESSIONS_STALE, lambda: [(float(claims.away), {})])
    observe(
        names.BRIDGE_CLAIMS,
        lambda: [
            (float(claims.claimed), {outcome: "claimed"}),
            (float(claims.served_unclaimed), {outcome: "unclaimed"}),
        ],
    )
    observe(
        names.BRIDGE_WILLS,
        lambda: [
            (float(sessions.wills_ignored), {outcome: "ignored"}),
            (float(upkeep.wills_published), {outcome: "published_for_dead"}),
        ],
    )
