"""Sources as messages of `dataflow.bridge.v1`: what is shown, and what an update means. No secret is ever shown."""

from __future__ import annotations

from typing import Final

from dataflow.bridge.v1 import source_pb2, source_service_pb2

from dataflow_bridge.sources.records import NewSource, SlotRecord, SourceRecord
from dataflow_bridge.sources.source import Protocol, Source

PROTOCOLS: Final = {
    source_pb2.MQTT_PROTOCOL_UNSPECIFIED: Protocol.MQTT_5,
    source_pb2.MQTT_PROTOCOL_5: Protocol.MQTT_5,
    source_pb2.MQTT_PROTOCOL_3_1_1: Protocol.MQTT_3_1_1,
}
_SHOWN_PROTOCOLS: Final = {
    Protocol.MQTT_5: source_pb2.MQTT_PROTOCOL_5,
    Protocol.MQTT_3_1_1: source_pb2.MQTT_PROTOCOL_3_1_1,
}


def source_message(record: SourceRecord) -> source_pb2.Source:
    """Return a source as it is shown."""
    source = record.source
    message = source_pb2.Source(
        name=source.name,
        url=source.url,
        filters=source.filters,
        share_group=source.share_group,
        slots=source.slots,
        qos=source.qos,
        protocol=_SHOWN_PROTOCOLS[source.protocol],
        username=source.username,
        has_password=bool(source.password),
        state=source_pb2.SOURCE_STATE_DELETING if record.deleting else source_pb2.SOURCE_STATE_ACTIVE,
        etag=str(source.version),
    )
    if source.ca_pem or source.client_certificate_pem or source.server_name:
        message.tls.ca_pem = source.ca_pem
        message.tls.client_certificate_pem = source.client_certificate_pem
        message.tls.server_name = source.server_name
    message.create_time.FromDatetime(record.create_time)
    message.update_time.FromDatetime(record.update_time)
    message.status.warnings.extend(record.warnings)
    for slot in record.slots:
        message.status.slots.append(_slot_message(source, slot))
        message.status.warnings.extend(warning for warning in slot.warnings if warning not in message.status.warnings)
    return message


def _slot_message(source: Source, slot: SlotRecord) -> source_pb2.SlotStatus:
    message = source_pb2.SlotStatus(
        slot=slot.slot,
        state=source_pb2.SLOT_STATE_DRAINING if slot.draining else source_pb2.SLOT_STATE_ACTIVE,
        client_id=source.client_id(slot.slot),
        bridge=slot.holder if slot.held else "",
        connected=slot.connected,
        received=slot.received,
        acknowledged=slot.acknowledged,
        redelivered=slot.redelivered,
        last_error=slot.last_error,
        warnings=slot.warnings,
    )
    message.since_time.FromDatetime(slot.since)
    return message


def changed_source(before: Source, request: source_service_pb2.UpdateSourceRequest) -> NewSource:
    """Return what an update makes of a source: what is absent stays as it is."""
    has = request.HasField
    key = before.client_key_pem
    if has("tls") and (
        request.tls.client_key_pem or request.tls.client_certificate_pem != before.client_certificate_pem
    ):
        key = request.tls.client_key_pem
    return NewSource(
        name=before.name,
        url=request.url if has("url") else before.url,
        filters=tuple(request.filters.filters) if has("filters") else before.filters,
        share_group=before.share_group,
        slots=request.slots if has("slots") else before.slots,
        qos=request.qos if has("qos") else before.qos,
        protocol=PROTOCOLS[request.protocol] if has("protocol") else before.protocol,
        username=request.username if has("username") else before.username,
        password=request.password if has("password") else before.password,
        ca_pem=request.tls.ca_pem if has("tls") else before.ca_pem,
        client_certificate_pem=request.tls.client_certificate_pem if has("tls") else before.client_certificate_pem,
        client_key_pem=key,
        server_name=request.tls.server_name if has("tls") else before.server_name,
    )
