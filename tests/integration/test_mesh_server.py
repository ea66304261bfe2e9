"""The gRPC server with everything around its servicers, over real connections, in all four shapes."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, Tokens, current_caller
from dataflow_mesh.channel import InsecureTargetError, open_channel
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.interceptors import remaining_deadline
from dataflow_mesh.logs import current_request_id
from dataflow_mesh.server import GrpcServer, InsecureListenError
from dataflow_mesh.testing import InProcess, free_port, in_process_server
from dataflow_mesh.testing.echo import NAME, SHAPES, Handler, echo_call, echo_service, text_class
from google.protobuf import descriptor_pb2, message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

Text = text_class()
ALL = sorted(SHAPES)


async def call(
    channel: grpc.aio.Channel, method: str, *requests: message.Message, **options: Any
) -> list[message.Message]:
    """Calls any shape and returns all responses."""
    up, down = SHAPES[method]
    answer = echo_call(channel, method)(iter(requests) if up else requests[0], **options)
    return [response async for response in answer] if down else [await answer]


async def failure(
    channel: grpc.aio.Channel, method: str, *requests: message.Message, **options: Any
) -> grpc.aio.AioRpcError:
    """Returns the error that a call ends with."""
    while True:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, method, *(requests or (Text(text="a"),)), **options)
        # The client loses the status when its write meets the server's end: https://github.com/grpc/grpc/issues/36066
        if caught.value.details() != "Internal error from Core":
            return caught.value


def info_of(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """Returns the one ErrorInfo of an error."""
    status = rpc_status.from_call(error)
    assert status is not None
    found = [detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert len(found) == 1
    info = error_details_pb2.ErrorInfo()
    found[0].Unpack(info)
    assert info.domain == "dataflow"
    return info


def violations_of(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Returns what BadRequest says, by field."""
    status = rpc_status.from_call(error)
    assert status is not None
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            detail.Unpack(request)
    return {violation.field: violation.description for violation in request.field_violations}


def everywhere(behaviour: Handler) -> dict[str, Handler]:
    """Returns handlers of all shapes that await the behaviour first and then answer nothing."""

    async def once(request: Any, context: Any) -> message.Message:
        await behaviour(request, context)
        return Text()

    async def stream(request: Any, context: Any) -> AsyncIterator[message.Message]:
        await behaviour(request, context)
        yield Text()

    return {name: stream if down else once for name, (_, down) in SHAPES.items()}


@pytest.fixture
async def server() -> AsyncIterator[InProcess]:
    async with in_process_server([echo_service()]) as running:
        yield running


@pytest.mark.parametrize("method", ALL)
async def test_every_shape_answers_a_caller_who_may_call(server: InProcess, method: str) -> None:
    """A request of each shape reaches its servicer and its responses come back."""
    responses = await call(server.channel, method, Text(text="a"))
    assert {response.text for response in responses} == {"a"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ALL)
async def test_a_call_without_a_token_is_unauthenticated(server: InProcess, method: str) -> None:
    """Without a token nothing of ours is reachable."""
    async with open_channel(server.target) as channel:
        error = await failure(channel, method)
    assert (error.code(), info_of(error).reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


@pytest.mark.parametrize("header", ["Bearer nobody's", "Bearer ", "Basic admin-token", "admin-token"])
async def test_a_token_that_nobody_issued_is_unauthenticated(server: InProcess, header: str) -> None:
    """Unknown tokens and other schemes are refused alike."""
    async with open_channel(server.target) as channel:
        error = await failure(channel, "Unary", metadata=(("authorization", header),))
    assert info_of(error).reason == "TOKEN_INVALID"


@pytest.mark.parametrize("method", ALL)
async def test_a_role_that_may_not_call_is_denied_and_told_which_roles_may(server: InProcess, method: str) -> None:
    """A device may publish and nothing else."""
    async with open_channel(server.target, token="device-token") as channel:
        error = await failure(channel, method)
    info = info_of(error)
    assert (error.code(), info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert dict(info.metadata) == {"method": f"{NAME}/{method}", "role": "DEVICE", "requiredRoles": "VIEWER"}


@pytest.mark.parametrize("name", ["viewer", "operator", "admin", "service"])
async def test_roles_include_those_below_them(server: InProcess, name: str) -> None:
    """OPERATOR, ADMIN and SERVICE may do what VIEWER may."""
    async with open_channel(server.target, token=f"{name}-token") as channel:
        assert await call(channel, "Unary", Text(text="a"))


@pytest.mark.parametrize("method", ALL)
async def test_servicers_know_their_caller_request_id_and_deadline(method: str) -> None:
    """What the interceptors found out is visible inside a servicer of every shape."""
    seen: list[tuple[Caller, str, float | None]] = []

    async def look(_: object, __: object) -> None:
        seen.append((current_caller(), current_request_id(), remaining_deadline()))

    async with in_process_server([echo_service(**everywhere(look))], token="viewer-token") as server:
        await call(server.channel, method, Text(), metadata=(("x-request-id", "r-1"),), timeout=60)
    caller, request_id, seconds = seen[0]
    assert (caller, request_id) == (Caller("viewer", role_pb2.ROLE_VIEWER), "r-1")
    assert seconds is not None
    assert 0 < seconds < 61  # gRPC rounds time-outs up


@pytest.mark.parametrize("method", ALL)
async def test_all_broken_rules_of_a_request_are_named(server: InProcess, method: str) -> None:
    """One answer names every field that breaks its rule."""
    error = await failure(server.channel, method, Text(text="x" * 11, number=100))
    assert (error.code(), info_of(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert set(violations_of(error)) == {"text", "number"}


@pytest.mark.parametrize("method", ["Up", "Both"])
async def test_every_message_of_a_stream_is_checked(server: InProcess, method: str) -> None:
    """A stream whose later message breaks a rule is ended there."""
    error = await failure(server.channel, method, Text(text="good"), Text(text="far too long"))
    assert set(violations_of(error)) == {"text"}


@pytest.mark.parametrize("method", ALL)
async def test_a_defect_is_internal_and_shows_no_trace(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """The caller of a defect gets a request id, and the log has the trace under it."""

    async def fail(_: object, __: object) -> None:
        raise KeyError("SELECT secret")

    async with in_process_server([echo_service(**everywhere(fail))]) as server:
        error = await failure(server.channel, method, Text(), metadata=(("x-request-id", "r-2"),))
    assert (error.code(), info_of(error).reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert info_of(error).metadata["requestId"] == "r-2"
    assert "secret" not in str(error.details())
    assert any(record.exc_info and "secret" in str(record.exc_info[1]) for record in caplog.records)


@pytest.mark.parametrize("method", ALL)
async def test_an_error_of_ours_keeps_its_code_message_and_retry_info(method: str) -> None:
    """What a servicer raises reaches the caller as it was meant."""

    class FullError(DataflowError):
        """Full; come back later."""

        code = grpc.StatusCode.RESOURCE_EXHAUSTED

    async def fail(_: object, __: object) -> None:
        raise FullError(retry_after_seconds=1.5)

    async with in_process_server([echo_service(**everywhere(fail))]) as server:
        error = await failure(server.channel, method)
    status = rpc_status.from_call(error)
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Full; come back later.")
    assert retry.retry_delay.ToMilliseconds() == 1500


async def test_a_request_with_thousands_of_violations_is_still_answered_readably() -> None:
    """The details stay below what clients accept as trailing metadata, and say how many were left off."""

    async def fail(_: object, __: object) -> None:
        raise DataflowError("€" * 5000, violations=[(f"messages[{n}].topic", "ü" * 300) for n in range(10_000)])

    async with in_process_server([echo_service(Unary=fail)]) as server:
        error = await failure(server.channel, "Unary")
    shown = len(violations_of(error))
    assert shown > 2
    assert int(info_of(error).metadata["violationsLeftOff"]) == 10_000 - shown


@pytest.mark.parametrize("method", ALL)
async def test_a_servicer_that_takes_too_long_is_cancelled_and_answers_deadline_exceeded(method: str) -> None:
    """The work ends in every shape when the caller's deadline has passed."""
    ended = asyncio.Event()

    async def hang(_: object, __: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    handlers = everywhere(hang)
    server = GrpcServer("127.0.0.1:0", [echo_service(**handlers)], tokens=tokens())
    async with server, open_channel(f"127.0.0.1:{server.port}", token="admin-token") as channel:
        error = await failure(channel, method, timeout=0.05)
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await ended.wait()


async def test_the_default_deadline_is_answered_with_its_reason() -> None:
    """A caller without a deadline of its own learns that it was the server's."""

    async def hang(_: object, __: object) -> None:
        await asyncio.Event().wait()

    server = GrpcServer("127.0.0.1:0", [echo_service(Unary=hang)], tokens=tokens(), default_deadline_seconds=0.05)
    async with server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        error = await failure(channel, "Unary", metadata=(("authorization", "Bearer admin-token"),))
    assert info_of(error).reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("method", ["Down", "Both"])
async def test_a_cancelled_stream_closes_its_servicer_in_order(method: str) -> None:
    """When the caller goes away, the generator's own clean-up runs in the request's own task, and that task ends."""
    closed: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue()
    served_by: list[asyncio.Task[Any] | None] = []

    async def endless(_: object, __: object) -> AsyncIterator[message.Message]:
        served_by.append(asyncio.current_task())
        try:
            while True:
                yield Text(text="more")
                await asyncio.sleep(0)
        finally:
            closed.put_nowait(asyncio.current_task())

    async with in_process_server([echo_service(Down=endless, Both=endless)]) as server:
        before = asyncio.all_tasks()
        answer = echo_call(server.channel, method)(iter([Text()]) if method == "Both" else Text())
        await answer.read()
        answer.cancel()
        assert await closed.get() is served_by[0]
        # The server waits for the next request in a task of its own.
        for task in asyncio.all_tasks() - before:
            if "AioServer._request_call" not in repr(task):
                await asyncio.wait({task})


async def test_health_and_reflection_need_no_token(server: InProcess) -> None:
    """The allow-list is open to anybody, under both names of reflection."""
    async with open_channel(server.target) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        for version in ("v1", "v1alpha"):
            [answer] = await reflect(channel, request, version=version)
            names = {entry.name for entry in answer.list_services_response.service}
            assert {NAME, "grpc.health.v1.Health"} <= names
            symbols = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
            described = await reflect(channel, *symbols, version=version)
            assert all(entry.HasField("file_descriptor_response") for entry in described)


async def test_reflection_describes_the_required_roles(server: InProcess) -> None:
    """What grpcurl asks for a service has the method options, and the file that declares the extension."""
    symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol=NAME)
    extension = reflection_pb2.ServerReflectionRequest(
        file_containing_extension=reflection_pb2.ExtensionRequest(
            containing_type="google.protobuf.MethodOptions", extension_number=50001
        )
    )
    numbers = reflection_pb2.ServerReflectionRequest(all_extension_numbers_of_type="google.protobuf.MethodOptions")
    by_symbol, by_extension, by_type = await reflect(server.channel, symbol, extension, numbers)
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(raw)
        for raw in by_symbol.file_descriptor_response.file_descriptor_proto
    ]
    [method] = [
        method for file in files for service in file.service for method in service.method if method.name == "Unary"
    ]
    assert list(method.options.Extensions[role_pb2.required_roles]) == [role_pb2.ROLE_VIEWER]
    assert "dataflow/access/v1/role.proto" in {file.name for file in files}
    assert by_extension.file_descriptor_response.file_descriptor_proto
    assert 50001 in by_type.all_extension_numbers_response.extension_number


async def test_an_unknown_method_is_unimplemented(server: InProcess) -> None:
    """The steps do not disturb gRPC's own answer."""
    unknown: Any = server.channel.unary_unary("/no.Such/Method")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unknown(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_drain_turns_health_and_ends_endless_streams_with_the_reason() -> None:
    """A stopping server says NOT_SERVING to watchers and SHUTTING_DOWN to endless streams, and finishes short work."""
    entered, finish = asyncio.Event(), asyncio.Event()

    async def slow(request: message.Message, _: object) -> message.Message:
        entered.set()
        await finish.wait()
        return request

    async def endless(_: object, __: object) -> AsyncIterator[message.Message]:
        yield Text()
        await asyncio.Event().wait()

    async with in_process_server([echo_service(Unary=slow, Down=endless)], drain_seconds=20) as server:
        stream = echo_call(server.channel, "Down")(Text())
        await stream.read()
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(service=NAME))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        running = asyncio.ensure_future(call(server.channel, "Unary", Text(text="done")))
        await entered.wait()
        stopping = asyncio.ensure_future(server.server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert info_of(caught.value).reason == "SHUTTING_DOWN"
        finish.set()
        assert (await running)[0].text == "done"  # type: ignore[attr-defined]
        with contextlib.suppress(grpc.aio.AioRpcError):
            await watch.read()
        await stopping


async def test_set_serving_is_seen_by_health_checks(server: InProcess) -> None:
    """A service that cannot do its work says so under its own name."""
    await server.server.set_serving(NAME, False)
    answer = await health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest(service=NAME))
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_processes_of_one_kind_share_a_port() -> None:
    """Two servers listen on one address."""
    address = f"127.0.0.1:{free_port()}"
    servers = [GrpcServer(address, [echo_service()], tokens=tokens()) for _ in range(2)]
    async with servers[0] as first, servers[1] as second:
        assert first.port == second.port


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", ":0"])
async def test_plaintext_beyond_loopback_is_refused(listen: str) -> None:
    """Nothing is served in plaintext to others unless asked for."""
    with pytest.raises(InsecureListenError, match="insecure-listen"):
        async with GrpcServer(listen, [echo_service()], tokens=tokens()):
            pass


async def test_plaintext_beyond_loopback_is_served_when_asked_for() -> None:
    """The flag opens it."""
    async with GrpcServer("0.0.0.0:0", [echo_service()], tokens=tokens(), insecure_listen=True) as server:
        assert server.port


async def test_a_channel_sends_no_token_in_plaintext_beyond_loopback() -> None:
    """A client refuses what a server refuses."""
    with pytest.raises(InsecureTargetError):
        async with open_channel("bridge.example:50051", token="secret"):
            pass


async def test_a_taken_address_is_an_os_error() -> None:
    """Who starts a process learns that the address cannot be used."""
    with pytest.raises(OSError, match="cannot listen"):
        async with GrpcServer("192.0.2.1:1", [echo_service()], tokens=tokens(), insecure_listen=True):
            pass


async def test_the_access_log_names_method_caller_and_code_but_no_payload(
    server: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each request, without its content."""
    with caplog.at_level(logging.INFO, "dataflow_mesh"):
        await call(server.channel, "Unary", Text(text="payload"))
        await failure(server.channel, "Unary", Text(number=100))
    lines = [vars(record)["dataflow"] for record in caplog.records if record.message == "request served"]
    assert [(line["method"], line["caller"], line["code"]) for line in lines] == [
        (f"/{NAME}/Unary", "admin", "OK"),
        (f"/{NAME}/Unary", "admin", "INVALID_ARGUMENT"),
    ]
    assert "payload" not in caplog.text


async def test_a_call_made_while_serving_inherits_the_deadline_and_the_request_id() -> None:
    """A server that calls another gives it no more time than it has itself."""
    seen: list[tuple[float | None, str]] = []

    async def inner(request: message.Message, _: object) -> message.Message:
        seen.append((remaining_deadline(), current_request_id()))
        return request

    async with in_process_server([echo_service(Unary=inner)]) as behind:

        async def outer(request: message.Message, _: object) -> message.Message:
            return (await call(behind.channel, "Unary", request))[0]

        async with in_process_server([echo_service(Unary=outer)]) as front:
            await call(front.channel, "Unary", Text(), timeout=5, metadata=(("x-request-id", "r-3"),))
    [(seconds, request_id)] = seen
    assert seconds is not None
    assert seconds < 6  # gRPC rounds time-outs up
    assert request_id == "r-3"


async def test_an_idempotent_call_is_retried_while_its_server_restarts() -> None:
    """UNAVAILABLE is tried again for methods that may be repeated."""
    tries: list[int] = []

    class AwayError(DataflowError):
        """Away."""

        code = grpc.StatusCode.UNAVAILABLE

    async def flaky(request: message.Message, _: object) -> message.Message:
        tries.append(1)
        if len(tries) < 3:
            raise AwayError
        return request

    async with (
        in_process_server([echo_service(Unary=flaky)]) as server,
        open_channel(server.target, token="admin-token", services=[NAME]) as channel,
    ):
        await call(channel, "Unary", Text())
    assert len(tries) == 3


def tokens() -> Tokens:
    """Returns one token that may all."""
    return Tokens({"admin-token": Caller("admin", role_pb2.ROLE_ADMIN)})


async def reflect(
    channel: grpc.aio.Channel, *requests: reflection_pb2.ServerReflectionRequest, version: str = "v1alpha"
) -> list[reflection_pb2.ServerReflectionResponse]:
    """Asks the reflection service."""
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return [response async for response in method(iter(requests))]
