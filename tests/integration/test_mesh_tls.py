"""TLS and mutual TLS between our own server and channel, with certificates made for the test."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, Tokens
from dataflow_mesh.channel import open_channel
from dataflow_mesh.server import GrpcServer
from dataflow_mesh.testing.echo import echo_call, echo_service, text_class

pytestmark = [
    pytest.mark.tool("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on the PATH"),
]
Text = text_class()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of a test."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """What others trust."""
        return self.directory / "ca.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Returns certificate and key of somebody on localhost."""
        key, request, certificate = (self.directory / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self.directory / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}"
        )
        authority = ("-CA", self.certificate, "-CAkey", self.directory / "ca.key", "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *authority, "-out", certificate, "-days", "2", "-extfile", extensions)
        return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    directory = tmp_path_factory.mktemp("authority")
    files = ("-keyout", directory / "ca.key", "-out", directory / "ca.pem")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-days", "2", "-subj", "/CN=test")
    return Authority(directory)


def server(authority: Authority, *, mutual: bool = False) -> GrpcServer:
    """Returns a server that speaks TLS, on all addresses: TLS needs no --insecure-listen."""
    certificate, key = authority.issue("server")
    return GrpcServer(
        "0.0.0.0:0",
        [echo_service()],
        tokens=Tokens({"admin-token": Caller("admin", role_pb2.ROLE_ADMIN)}),
        tls_cert=certificate,
        tls_key=key,
        tls_client_ca=authority.certificate if mutual else None,
    )


async def test_a_channel_that_trusts_the_authority_is_served(authority: Authority) -> None:
    """Encrypted, and with the token as ever."""
    async with (
        server(authority) as running,
        open_channel(f"localhost:{running.port}", token="admin-token", tls_ca=authority.certificate) as channel,
    ):
        assert await echo_call(channel, "Unary")(Text(text="a")) == Text(text="a")


async def test_a_channel_without_tls_is_not_served(authority: Authority) -> None:
    """There is no plaintext beside TLS."""
    async with server(authority) as running, open_channel(f"localhost:{running.port}", token="admin-token") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await echo_call(channel, "Unary")(Text(text="a"))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls_serves_those_with_a_certificate_only(authority: Authority) -> None:
    """A client of the authority is served, another is not."""
    certificate, key = authority.issue("client")
    async with server(authority, mutual=True) as running:
        target = f"localhost:{running.port}"
        async with open_channel(
            target, token="admin-token", tls_ca=authority.certificate, tls_cert=certificate, tls_key=key
        ) as channel:
            assert await echo_call(channel, "Unary")(Text(text="a")) == Text(text="a")
        async with open_channel(target, token="admin-token", tls_ca=authority.certificate) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await echo_call(channel, "Unary")(Text(text="a"))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
