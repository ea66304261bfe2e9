"""`dataflow source`: brokers that the bridges read from."""

from pathlib import Path

import click
from dataflow.bridge.v1 import source_pb2, source_service_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word

_PROTOCOLS = {"5": source_pb2.MQTT_PROTOCOL_5, "3.1.1": source_pb2.MQTT_PROTOCOL_3_1_1}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILTER = click.option(
    "--filter", "filters", metavar="FILTER", multiple=True, help="MQTT topic filter; may be repeated."
)
_TLS_OPTIONS = (
    click.option("--ca", type=_FILE, help="Authorities of the broker's certificate, PEM.  [default: the system's]"),
    click.option("--certificate", type=_FILE, help="The bridge's certificate, PEM."),
    click.option("--key", type=_FILE, help="Its key, PEM."),
    click.option("--server-name", default="", help="Name in the broker's certificate.  [default: the URL's host]"),
)


def _tls_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_TLS_OPTIONS):
        command = option(command)
    return command


@click.group()
def source() -> None:
    """Make, show, change and remove brokers to read from."""


@source.command()
@click.argument("name")
@click.argument("url")
@_FILTER
@click.option("--group", "share_group", default="", help="Share group at the broker.  [default: one of its own]")
@click.option("--slots", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of sessions.")
@click.option("--qos", type=click.IntRange(0, 2), default=1, show_default=True, help="2 is subscribed to as 1.")
@click.option(
    "--protocol", type=click.Choice(list(_PROTOCOLS)), default="5", show_default=True, help="Version of MQTT."
)
@click.option("--username", default="", help="For the broker.")
@click.option("--password-file", type=_FILE, help="Its first line is the password.")
@_tls_options
@json_option
@connection_options
def create(
    access: Access,
    name: str,
    url: str,
    filters: tuple[str, ...],
    share_group: str,
    slots: int,
    qos: int,
    protocol: str,
    username: str,
    password_file: Path | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str,
    as_json: bool,
) -> None:
    """Read the broker at URL (mqtt://host:port or mqtts://host:port) as source NAME; tells what is wrong with it."""
    if not filters:
        raise click.UsageError("give at least one --filter")
    with access.client("bridge") as client:
        made = client.sources.create(
            name,
            url,
            filters,
            share_group=share_group,
            slots=slots,
            qos=qos,
            protocol=_PROTOCOLS[protocol],
            username=username,
            password=_password(password_file),
            tls=_tls(ca, certificate, key, server_name),
        )
    _show(made, as_json=as_json)


@source.command("list")
@json_option
@connection_options
def list_sources(access: Access, as_json: bool) -> None:
    """Show all sources by name."""
    with access.client("bridge") as client:
        found = list(client.sources.list())
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("source", "url", "filters", "state", "connected", "received", "acknowledged", "warnings"),
        [
            (
                entry.name,
                entry.url,
                " ".join(entry.filters),
                word(source_pb2.SourceState.DESCRIPTOR, entry.state, "SOURCE_STATE_"),
                f"{sum(slot.connected for slot in entry.status.slots)} of {len(entry.status.slots)}",
                sum(slot.received for slot in entry.status.slots),
                sum(slot.acknowledged for slot in entry.status.slots),
                len(entry.status.warnings) or "",
            )
            for entry in found
        ],
        empty="no sources yet: make one with `dataflow source create NAME mqtt://host:port --filter FILTER`",
    )


@source.command()
@click.argument("name")
@json_option
@connection_options
def show(access: Access, name: str, as_json: bool) -> None:
    """Show the source NAME: its slots, who reads them, and what is wrong with the broker."""
    with access.client("bridge") as client:
        _show(client.sources.get(name), as_json=as_json)


@source.command()
@click.argument("name")
@click.option("--url", help="New address of the same broker.")
@_FILTER
@click.option("--slots", type=click.IntRange(1, 64), help="Number of sessions; those too many are read empty first.")
@click.option("--qos", type=click.IntRange(0, 2), help="2 is subscribed to as 1.")
@click.option("--protocol", type=click.Choice(list(_PROTOCOLS)), help="Version of MQTT.")
@click.option("--username", help="For the broker; empty for none.")
@click.option("--password-file", type=_FILE, help="Its first line is the password.")
@click.option("--etag", default="", help="Change nothing when the source has another one by now.")
@_tls_options
@json_option
@connection_options
def update(
    access: Access,
    name: str,
    url: str | None,
    filters: tuple[str, ...],
    slots: int | None,
    qos: int | None,
    protocol: str | None,
    username: str | None,
    password_file: Path | None,
    etag: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str,
    as_json: bool,
) -> None:
    """Change the source NAME while data flows; what is not given stays, of the certificates all or none."""
    request = source_service_pb2.UpdateSourceRequest(
        name=name,
        etag=etag,
        url=url,
        filters=source_service_pb2.SourceFilters(filters=filters) if filters else None,
        slots=slots,
        qos=qos,
        protocol=None if protocol is None else _PROTOCOLS[protocol],
        username=username,
        password=None if password_file is None else _password(password_file),
        tls=_tls(ca, certificate, key, server_name),
    )
    with access.client("bridge") as client:
        _show(client.sources.update(request), as_json=as_json)


@source.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Do not read its sessions empty first: for a broker that is gone.")
@json_option
@connection_options
def delete(access: Access, name: str, force: bool, as_json: bool) -> None:
    """Remove the source NAME once its sessions are read empty; returns at once."""
    with access.client("bridge") as client:
        client.sources.delete(name, force=force)
    if as_json:
        print_json({"deleted": name, "drained": not force})
    elif force:
        click.echo(f"source {name!r} is removed; what its sessions held at the broker was not read")
    else:
        click.echo(f"source {name!r} takes nothing new; it is gone when its sessions are read empty")


def _password(file: Path | None) -> str:
    return "" if file is None else file.read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")


def _tls(ca: Path | None, certificate: Path | None, key: Path | None, server_name: str) -> source_pb2.SourceTls | None:
    if not (ca or certificate or key or server_name):
        return None
    return source_pb2.SourceTls(
        ca_pem=ca.read_text(encoding="utf-8") if ca else "",
        client_certificate_pem=certificate.read_text(encoding="utf-8") if certificate else "",
        client_key_pem=key.read_text(encoding="utf-8") if key else "",
        server_name=server_name,
    )


def _show(entry: source_pb2.Source, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(entry))
        return
    print_fields(
        {
            "source": entry.name,
            "url": entry.url,
            "filters": " ".join(entry.filters),
            "group": entry.share_group,
            "state": word(source_pb2.SourceState.DESCRIPTOR, entry.state, "SOURCE_STATE_"),
            "slots": entry.slots,
            "qos": entry.qos,
            "protocol": next(text for text, value in _PROTOCOLS.items() if value == entry.protocol),
            "username": entry.username,
            "password": "set" if entry.has_password else "",
            "etag": entry.etag,
            "created": moment(entry.create_time),
        }
    )
    if entry.status.slots:
        click.echo()
        print_table(
            ("slot", "state", "bridge", "connected", "received", "acknowledged", "again", "since", "last error"),
            [
                (
                    slot.slot,
                    word(source_pb2.SlotState.DESCRIPTOR, slot.state, "SLOT_STATE_"),
                    slot.bridge,
                    "yes" if slot.connected else "no",
                    slot.received,
                    slot.acknowledged,
                    slot.redelivered,
                    moment(slot.since_time),
                    slot.last_error,
                )
                for slot in entry.status.slots
            ],
        )
    for warning in entry.status.warnings:
        click.echo(f"warning: {warning}", err=True)
