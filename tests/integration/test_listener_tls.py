"""TLS and mutual TLS: certificates made for the test, real handshakes."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import ByteClient, Served, connect311, publish311, serve, token_authenticator

pytestmark = [
    pytest.mark.tool("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on the PATH"),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with an authority, a server certificate for localhost and one of a device."""
    path = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=path, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    for name, extension in (("localhost", "subjectAltName=DNS:localhost"), ("device-7", "extendedKeyUsage=clientAuth")):
        (path / "extension").write_text(extension)
        openssl("req", *key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return path


def server_context(path: Path, verify: ssl.VerifyMode) -> ssl.SSLContext:
    """Return the TLS settings of the listener."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(path / "ca.pem"))
    context.load_cert_chain(path / "localhost.pem", path / "localhost.key")
    context.verify_mode = verify
    return context


async def connect(served: Served, path: Path, *, device: str | None) -> ByteClient:
    """Open a TLS connection, with a certificate or without."""
    context = ssl.create_default_context(cafile=str(path / "ca.pem"))
    if device is not None:
        context.load_cert_chain(path / f"{device}.pem", path / f"{device}.key")
    return ByteClient(
        *await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context, server_hostname="localhost")
    )


async def test_the_name_of_a_certificate_is_the_device(certificates: Path) -> None:
    """A verified client certificate is an identity; without one the client is nobody."""
    tls = server_context(certificates, ssl.CERT_OPTIONAL)
    async with serve(authenticator=token_authenticator({}), tls=tls) as served:
        client = await connect(served, certificates, device="device-7")
        client.send(connect311("a"), publish311("t", b"1", qos=1))
        assert await client.receive() == b"\x20\x02\x00\x00"
        assert await client.receive() == b"\x40\x02\x00\x01"
        await client.close()
        assert (await served.intake.wait_for(1))[0].device_id == "device-7"
        for connect_packet, code in ((connect311("b"), 5), (connect311("b", username="device-7"), 5)):
            client = await connect(served, certificates, device=None)
            client.send(connect_packet)
            assert await client.receive() == bytes((0x20, 2, 0, code))
            await client.close()
        client = await connect(served, certificates, device="device-7")
        client.send(connect311("a", username="device-8"))
        assert await client.receive() == b"\x20\x02\x00\x04"
        await client.close()


async def test_tells_why_over_tls(certificates: Path) -> None:
    """DISCONNECT arrives although TLS can not be closed by halves; large messages pass."""
    tls = server_context(certificates, ssl.CERT_NONE)
    async with serve(tls=tls) as served:
        client = await connect(served, certificates, device=None)
        client.send(connect311("a"), publish311("t", bytes(1 << 20), qos=1))
        assert await client.receive() == b"\x20\x02\x00\x00"
        assert await client.receive() == b"\x40\x02\x00\x01"
        client.send(b"\xe0\x00")
        assert await client.wait_closed() == b""
        await client.close()


async def test_tls_allows_listening_beyond_loopback(certificates: Path) -> None:
    """With TLS any address may be listened on."""
    tls = server_context(certificates, ssl.CERT_NONE)
    async with serve(ListenerSettings(listen="0.0.0.0:0"), tls=tls) as served:
        assert served.listener.port
