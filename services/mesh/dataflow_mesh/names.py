"""Every metric of DataFlow: name, kind, unit, brief, attributes; declared once, used by all, in the docs by the same words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

METER: Final = "dataflow"


class Kind(StrEnum):
    """How a metric's values add up."""

    COUNTER = "counter"
    """Only grows."""
    UP_DOWN = "up_down"
    """Grows and shrinks; the values of all processes add up."""
    GAUGE = "gauge"
    """The latest value; values of several processes do not add up."""
    HISTOGRAM = "histogram"
    """A distribution."""


class Attribute(StrEnum):
    """The attributes that metrics may carry; all of few values, never an id of a device or a message."""

    METHOD = "dataflow.grpc.method"
    CODE = "dataflow.grpc.code"
    SOURCE = "dataflow.source"
    NODE = "dataflow.node"
    OUTCOME = "dataflow.outcome"
    REASON = "dataflow.reason"
    HEALTH = "dataflow.health"
    CONTRACT = "dataflow.contract"
    ENGINE = "dataflow.engine"
    SERVICE = "dataflow.service"
    STATE = "dataflow.state"
    KIND = "dataflow.kind"


_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As OpenTelemetry has it; Prometheus writes underscores for dots.
        kind: How its values add up.
        unit: UCUM: "s", "By", or a noun in braces.
        brief: One sentence.
        attributes: What it is divided by.
        buckets: Upper bounds of a histogram.
    """

    name: str
    kind: Kind
    unit: str
    brief: str
    attributes: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()


# Every process.
GRPC_REQUESTS = Metric(
    "dataflow.grpc.requests",
    Kind.COUNTER,
    "{request}",
    "Requests answered.",
    (Attribute.METHOD, Attribute.CODE),
)
GRPC_DURATION = Metric(
    "dataflow.grpc.duration",
    Kind.HISTOGRAM,
    "s",
    "From a request's first byte to its status.",
    (Attribute.METHOD,),
    _SECONDS,
)
PROCESS_LOOP_LAG = Metric(
    "dataflow.process.loop_lag", Kind.HISTOGRAM, "s", "How late the event loop ran a timer.", (), _SECONDS
)
PROCESS_SERVING = Metric(
    "dataflow.process.serving",
    Kind.GAUGE,
    "{service}",
    "1 where grpc.health.v1 answers SERVING for this service of this process; an empty name is the whole process.",
    (Attribute.SERVICE,),
)

# Bridge.
BRIDGE_CONNECTIONS = Metric("dataflow.bridge.connections", Kind.UP_DOWN, "{connection}", "Open MQTT connections.")
BRIDGE_MESSAGES = Metric(
    "dataflow.bridge.messages", Kind.COUNTER, "{message}", "Messages that arrived.", (Attribute.SOURCE,)
)
BRIDGE_BYTES = Metric("dataflow.bridge.bytes", Kind.COUNTER, "By", "Payload bytes that arrived.", (Attribute.SOURCE,))
BRIDGE_ACKNOWLEDGED = Metric(
    "dataflow.bridge.acknowledged",
    Kind.COUNTER,
    "{message}",
    "Messages acknowledged to their source.",
    (Attribute.SOURCE,),
)
BRIDGE_REFUSED = Metric(
    "dataflow.bridge.refused",
    Kind.COUNTER,
    "{message}",
    "Messages not taken, and their sender told so.",
    (Attribute.SOURCE, Attribute.REASON),
)
BRIDGE_QOS0_LOST = Metric(
    "dataflow.bridge.qos0_lost",
    Kind.COUNTER,
    "{message}",
    "QoS 0 messages dropped under overload or by a failed append.",
)
BRIDGE_PAUSES = Metric(
    "dataflow.bridge.pauses", Kind.COUNTER, "{pause}", "Times that a connection was not read for want of memory budget."
)
BRIDGE_BATCHES = Metric(
    "dataflow.bridge.batches", Kind.COUNTER, "{batch}", "Batches appended to the ring.", (Attribute.OUTCOME,)
)
BRIDGE_APPEND_DURATION = Metric(
    "dataflow.bridge.append_duration",
    Kind.HISTOGRAM,
    "s",
    "From closing a batch to having it on enough nodes.",
    (),
    _SECONDS,
)
BRIDGE_SESSIONS = Metric("dataflow.bridge.sessions", Kind.GAUGE, "{session}", "MQTT sessions that this bridge keeps.")
BRIDGE_SESSIONS_UNCLAIMED = Metric(
    "dataflow.bridge.sessions_unclaimed",
    Kind.GAUGE,
    "{session}",
    "Connections that were let in without a claim in Postgres, and still have none.",
)
BRIDGE_SESSIONS_STALE = Metric(
    "dataflow.bridge.sessions_stale",
    Kind.GAUGE,
    "1",
    "1 while sessions cannot be claimed and clients are served from memory.",
)
BRIDGE_CLAIMS = Metric(
    "dataflow.bridge.claims",
    Kind.GAUGE,
    "{claim}",
    "Clients let in since the start: claimed in Postgres, or unclaimed.",
    (Attribute.OUTCOME,),
)
BRIDGE_WILLS = Metric(
    "dataflow.bridge.wills",
    Kind.GAUGE,
    "{will}",
    "Wills since the start: ignored since somebody else had the session, or published for a dead bridge.",
    (Attribute.OUTCOME,),
)

# Broker sources, read by bridges.
SOURCE_MESSAGES = Metric(
    "dataflow.source.messages", Kind.COUNTER, "{message}", "Messages received from a broker.", (Attribute.SOURCE,)
)
SOURCE_ACKNOWLEDGED = Metric(
    "dataflow.source.acknowledged",
    Kind.COUNTER,
    "{message}",
    "Messages acknowledged to a broker: they are on the ring.",
    (Attribute.SOURCE,),
)
SOURCE_REDELIVERED = Metric(
    "dataflow.source.redelivered",
    Kind.COUNTER,
    "{message}",
    "Messages that a broker had sent before.",
    (Attribute.SOURCE,),
)
SOURCE_REFUSED = Metric(
    "dataflow.source.refused", Kind.COUNTER, "{message}", "Messages too large for the ring.", (Attribute.SOURCE,)
)
SOURCE_FAILURES = Metric(
    "dataflow.source.failures",
    Kind.COUNTER,
    "{connection}",
    "Connections to a broker that broke or were not made.",
    (Attribute.SOURCE,),
)
SOURCE_CONNECTED = Metric(
    "dataflow.source.connected",
    Kind.GAUGE,
    "{slot}",
    "Slots that this bridge reads and is connected for.",
    (Attribute.SOURCE,),
)
SOURCE_HELD = Metric("dataflow.source.held", Kind.GAUGE, "{slot}", "Slots that this bridge holds.", (Attribute.SOURCE,))

# Ring.
BRIDGE_INTAKE_LIMIT = Metric(
    "dataflow.bridge.intake_limit",
    Kind.GAUGE,
    "By/s",
    "Bytes that may go to the ring while the validators are behind; absent while nobody is slowed.",
)
RING_NODE_HEALTH = Metric(
    "dataflow.ring.node_health",
    Kind.GAUGE,
    "{node}",
    "1 for the health in which this process sees the node.",
    (Attribute.NODE, Attribute.HEALTH),
)
RING_FAILOVERS = Metric(
    "dataflow.ring.failovers",
    Kind.COUNTER,
    "{batch}",
    "Batches that went to another node than planned.",
    (Attribute.NODE,),
)
RING_COPIES_MISSING = Metric(
    "dataflow.ring.copies_missing", Kind.GAUGE, "{batch}", "Batches with fewer copies than wanted."
)
RING_BUFFER_LEFT = Metric(
    "dataflow.ring.buffer_left",
    Kind.GAUGE,
    "s",
    "How long batches could be taken if none were stored, at the rate of the last minute.",
)
RING_FREE = Metric("dataflow.ring.free", Kind.GAUGE, "By", "Bytes that the nodes that take batches have left.")
RING_LEADER = Metric("dataflow.ring.leader", Kind.GAUGE, "{bridge}", "1 for the bridge that leads.")

# Validator.
VALIDATOR_BATCHES = Metric(
    "dataflow.validator.batches", Kind.COUNTER, "{batch}", "Stream entries accounted for.", (Attribute.OUTCOME,)
)
VALIDATOR_ITEMS = Metric(
    "dataflow.validator.items",
    Kind.COUNTER,
    "{item}",
    "Items by outcome: stored, duplicate, conflict, quarantined, parked.",
    (Attribute.OUTCOME,),
)
VALIDATOR_TRANSACTIONS = Metric(
    "dataflow.validator.transactions", Kind.COUNTER, "{transaction}", "Store transactions.", (Attribute.OUTCOME,)
)
VALIDATOR_RETRIES = Metric(
    "dataflow.validator.retries", Kind.COUNTER, "{retry}", "Transactions tried again.", (Attribute.REASON,)
)
VALIDATOR_LAG = Metric(
    "dataflow.validator.lag", Kind.GAUGE, "s", "Age of the oldest entry that is not committed.", (Attribute.NODE,)
)
VALIDATOR_SUSPECTS = Metric(
    "dataflow.validator.suspects", Kind.COUNTER, "{batch}", "Batches processed alone because their reader died."
)
VALIDATOR_QUARANTINE_ITEMS = Metric(
    "dataflow.validator.quarantine_items",
    Kind.GAUGE,
    "{item}",
    "Items in quarantine, as the validator that keeps its limits counted them last; 0 at the others.",
)
VALIDATOR_QUARANTINE_BYTES = Metric(
    "dataflow.validator.quarantine_bytes",
    Kind.GAUGE,
    "By",
    "About what the items in quarantine take, counted by the same.",
)
VALIDATOR_QUARANTINE_REMOVED = Metric(
    "dataflow.validator.quarantine_removed",
    Kind.COUNTER,
    "{item}",
    "Quarantined items that were removed because a limit was reached: age, device, size.",
    (Attribute.REASON,),
)
VALIDATOR_ROLLUP_DIRTY = Metric(
    "dataflow.validator.rollup_dirty", Kind.GAUGE, "{hour}", "Hours of all contracts that wait to be rolled up."
)
VALIDATOR_ROLLUP_AGE = Metric(
    "dataflow.validator.rollup_age", Kind.GAUGE, "s", "For how long the first of those hours has waited."
)
VALIDATOR_JOBS = Metric(
    "dataflow.validator.jobs",
    Kind.GAUGE,
    "{job}",
    "Jobs by state, as this validator counted them last.",
    (Attribute.STATE,),
)
VALIDATOR_WORKER_DEATHS = Metric(
    "dataflow.validator.worker_deaths", Kind.COUNTER, "{process}", "Worker processes that did not end by themselves."
)
VALIDATOR_LEDGER_MISSING = Metric(
    "dataflow.validator.ledger_missing",
    Kind.GAUGE,
    "{batch}",
    "Acknowledged batches that are in no table and on no node of the ring: lost. All validators show the same.",
)

# Insight.
INSIGHT_ASKS = Metric(
    "dataflow.insight.asks", Kind.COUNTER, "{question}", "Questions answered.", (Attribute.ENGINE, Attribute.OUTCOME)
)
INSIGHT_DECLINED = Metric(
    "dataflow.insight.declined", Kind.COUNTER, "{question}", "Questions declined, by why.", (Attribute.REASON,)
)
INSIGHT_FALLBACKS = Metric(
    "dataflow.insight.fallbacks",
    Kind.COUNTER,
    "{question}",
    "Questions that another engine answered than the one that was to, by why.",
    (Attribute.REASON,),
)
INSIGHT_MODEL_CALLS = Metric(
    "dataflow.insight.model_calls", Kind.COUNTER, "{call}", "Calls to a model, repeated ones included."
)
INSIGHT_TOKENS = Metric(
    "dataflow.insight.tokens",
    Kind.COUNTER,
    "{token}",
    "Tokens as the model's provider counted them: prompt (cached ones included), cached, written, thoughts.",
    (Attribute.KIND,),
)
INSIGHT_RUNNING = Metric("dataflow.insight.running", Kind.UP_DOWN, "{question}", "Answers in the making.")
INSIGHT_TASKS = Metric(
    "dataflow.insight.tasks", Kind.GAUGE, "{task}", "Tasks of the event loop: as many after an answer as before it."
)
INSIGHT_DURATION = Metric(
    "dataflow.insight.duration",
    Kind.HISTOGRAM,
    "s",
    "From a question to its last event.",
    (Attribute.ENGINE,),
    _SECONDS,
)

METRICS: Final[tuple[Metric, ...]] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
"""The registry: all of the above."""
