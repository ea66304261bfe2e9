"""The gemini engine against a Gemini that is slow, broken, overloaded or gone: it fails in time, says why, and leaves nothing open."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from dataflow_insight.engines.engine import EngineError, Fallback
from dataflow_insight.engines.gemini.limits import Limits

from tests.gemini_desk import PLAN, FakeDesk, answered, engine, words
from tests.gemini_server import (
    BAD_KEY,
    KEY,
    Cut,
    Forever,
    GeminiServer,
    Refuse,
    Reply,
    Stall,
    calls,
    error,
    event,
    gemini_server,
    refusal,
    retry_info,
    sse,
    text,
    turn,
)

GOOD = (turn(calls(PLAN)), turn(text("The average was {{0:0:0}}.")))
BUSY = error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
QUOTA = error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", retry_info("0.01s"))
SHORT = Limits(first_seconds=0.3, chunk_seconds=0.3)
ONE_TRY = Limits(attempts=1)


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    """Run a local Gemini."""
    async with gemini_server() as running:
        yield running


@dataclass(frozen=True)
class Fault:
    """What the server does, and how the engine must fail.

    Attributes:
        reply: To the first request.
        reason: Of the failure.
        limits: Of the engine.
        says: A part of the detail.
        after_plan: The fault is in the second turn, in the middle of the answer.
    """

    reply: Reply | Refuse
    reason: Fallback
    limits: Limits = ONE_TRY
    says: str = ""
    after_plan: bool = field(default=False)


def finished(reason: str | None, **more: Any) -> Reply:
    """Return a turn that ends for a reason."""
    return Reply([event(text("x"), reason, **more)])


FAULTS = {
    "no connection": Fault(Refuse(), Fallback.UNAVAILABLE),
    "slow first byte": Fault(Reply([Stall()]), Fallback.DEADLINE, SHORT),
    "stall between chunks": Fault(Reply([event(text("Well")), Stall()]), Fallback.DEADLINE, SHORT),
    "stall within a chunk": Fault(Reply([event(text("Well"))[:20], Stall()]), Fallback.DEADLINE, SHORT),
    "whole answer too slow": Fault(Reply([Stall()]), Fallback.DEADLINE, Limits(seconds=0.3)),
    "broken JSON": Fault(Reply([b'data: {"candidates": [\r\n\r\n']), Fallback.INVALID),
    "no JSON": Fault(Reply([b"data: <html>busy</html>\r\n\r\n"]), Fallback.INVALID),
    "HTML page": Fault(
        Reply([b"<html>\r\n<body>busy</body>\r\n"], headers={"content-type": "text/html"}), Fallback.INVALID
    ),
    "JSON of another kind": Fault(Reply([sse(["a"]), sse(1)]), Fallback.INVALID),
    "parts of another kind": Fault(Reply([sse({"candidates": [{"content": {"parts": "none"}}]})]), Fallback.INVALID),
    "half a character": Fault(Reply([event(text("°"))[:-1].split(b"\xb0")[0], Cut()]), Fallback.UNAVAILABLE),
    "bytes that are no text": Fault(Reply([b"data: \xff\xfe\xfd\r\n\r\n"]), Fallback.INVALID),
    "very deep JSON": Fault(Reply([b"data: " + b"[" * 200_000 + b"\r\n\r\n"]), Fallback.INVALID),
    "cut connection": Fault(Reply([event(text("Well")), Cut()]), Fallback.UNAVAILABLE),
    "end without a reason": Fault(Reply([event(text("Well"))]), Fallback.UNAVAILABLE),
    "nothing at all": Fault(Reply([]), Fallback.UNAVAILABLE),
    "429 before the stream": Fault(refusal(429, "RESOURCE_EXHAUSTED"), Fallback.RATE_LIMITED, says="429"),
    "429 inside the stream": Fault(Reply([event(text("Well")), sse(QUOTA)]), Fallback.RATE_LIMITED),
    "429 as the first event": Fault(Reply([sse(QUOTA)]), Fallback.RATE_LIMITED),
    # The provider's client knows an error only where it stands first; it passes this one on as an event without a word.
    "429 beside other members": Fault(Reply([sse({"modelVersion": "x", **QUOTA})]), Fallback.UNAVAILABLE),
    "429 in pretty lines": Fault(Reply([json.dumps(QUOTA, indent=2).encode()]), Fallback.RATE_LIMITED),
    "503 inside the stream": Fault(Reply([event(text("Well")), sse(BUSY)]), Fallback.UNAVAILABLE),
    "503 again and again": Fault(refusal(503, "UNAVAILABLE"), Fallback.UNAVAILABLE),
    "500": Fault(refusal(500, "INTERNAL"), Fallback.UNAVAILABLE),
    "504": Fault(refusal(504, "DEADLINE_EXCEEDED"), Fallback.DEADLINE),
    "bad key": Fault(BAD_KEY, Fallback.REFUSED, Limits(), "does not take the key"),
    "no permission": Fault(refusal(403, "PERMISSION_DENIED"), Fallback.REFUSED, Limits(), "does not take the key"),
    "no such model": Fault(refusal(404, "NOT_FOUND"), Fallback.REFUSED, Limits(), "404 NOT_FOUND"),
    "request too large": Fault(refusal(413, "X"), Fallback.REFUSED, Limits()),
    "redirect": Fault(refusal(307, "X", headers={"location": "http://127.0.0.1:9/"}), Fallback.INVALID, Limits()),
    "error of another kind": Fault(Reply([sse({"error": "busy"})]), Fallback.INVALID),
    "error with a strange code": Fault(Reply([sse({"error": {"code": "x", "details": 3}})]), Fallback.INVALID),
    "huge stream": Fault(Reply([b"data: " + b"x" * 100_000] * 30), Fallback.LIMIT, says="too long"),
    "endless line": Fault(Reply([b"data: ", Forever(b"x" * 60_000)]), Fallback.LIMIT),
    "endless text": Fault(Reply([Forever(event(text("and so on ")))]), Fallback.LIMIT, says="characters"),
    "endless thoughts": Fault(
        Reply([Forever(event({"parts": [{"text": "hm" * 400, "thought": True}]}))]), Fallback.LIMIT
    ),
    "endless empty events": Fault(Reply([Forever(sse({"candidates": []}))]), Fallback.LIMIT),
    "endless calls": Fault(Reply([Forever(event(calls(PLAN)))]), Fallback.LIMIT),
    "compressed": Fault(Reply([b"\x1f\x8b"], headers={"content-encoding": "gzip"}), Fallback.INVALID),
    "tokens used up": Fault(finished("MAX_TOKENS"), Fallback.LIMIT),
    "safety": Fault(finished("SAFETY"), Fallback.REFUSED),
    "recitation": Fault(finished("RECITATION"), Fallback.REFUSED),
    "prohibited": Fault(finished("PROHIBITED_CONTENT"), Fallback.REFUSED),
    "other": Fault(finished("OTHER"), Fallback.INVALID),
    "malformed call for ever": Fault(Reply([event(None, "MALFORMED_FUNCTION_CALL")]), Fallback.INVALID),
    "prompt blocked": Fault(Reply([sse({"promptFeedback": {"blockReason": "SAFETY"}})]), Fallback.REFUSED),
    "no candidate": Fault(Reply([sse({"candidates": [], "usageMetadata": {}})]), Fallback.UNAVAILABLE),
    "empty turn for ever": Fault(finished("STOP"), Fallback.INVALID),
    "cut in the answer": Fault(
        Reply([event(text("The average was {{0:0:0}}. It ")), Cut()]), Fallback.UNAVAILABLE, Limits(), after_plan=True
    ),
    "429 in the answer": Fault(
        Reply([event(text("The average was {{0:0:0}}. It ")), sse(QUOTA)]),
        Fallback.RATE_LIMITED,
        Limits(),
        after_plan=True,
    ),
    "stall in the answer": Fault(
        Reply([event(text("The average was {{0:0:0}}. It ")), Stall()]), Fallback.DEADLINE, SHORT, after_plan=True
    ),
    "refused in the answer": Fault(finished("SAFETY"), Fallback.REFUSED, Limits(), after_plan=True),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.filterwarnings("ignore:.*is not a valid FinishReason")
async def test_a_fault_ends_the_answer_with_its_reason_and_leaves_nothing_open(
    server: GeminiServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the server does, EngineError has the kind, no secret is told, and the server sees the connection end."""
    fault = FAULTS[name]
    caplog.set_level(logging.DEBUG)
    server.play(*((GOOD[0],) if fault.after_plan else ()), fault.reply)

    async with engine(server, fault.limits) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, FakeDesk())
        await server.idle()

    assert failed.value.reason is fault.reason, str(failed.value)
    assert fault.says in str(failed.value)
    told = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert KEY not in told
    assert "AIza" not in told


@pytest.mark.parametrize(
    "busy",
    [
        Refuse(),
        refusal(503, "UNAVAILABLE"),
        refusal(500, "INTERNAL"),
        refusal(429, "RESOURCE_EXHAUSTED", retry_info("0.01s")),
        Reply([sse(QUOTA)]),
        Reply([sse(BUSY)]),
    ],
)
async def test_what_passes_is_tried_again_before_the_first_token(server: GeminiServer, busy: Reply | Refuse) -> None:
    """Two failures of a kind that passes, and then the answer; each try is counted."""
    server.play(busy, busy, *GOOD)
    desk = FakeDesk()

    async with engine(server) as made:
        pieces = await answered(made, desk)

    assert words(pieces) == "The average was 104.57.\n"
    assert len(server.seen) == desk.usage.model_call_count == 4


async def test_nothing_is_tried_again_after_the_first_token(server: GeminiServer) -> None:
    """A stream that breaks off is not repeated: what it said may have been shown."""
    server.play(Reply([event(text("Well")), sse(BUSY)]), *GOOD)

    async with engine(server) as made:
        with pytest.raises(EngineError):
            await answered(made, FakeDesk())

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        refusal(429, "RESOURCE_EXHAUSTED", retry_info("40s")),
        refusal(503, "UNAVAILABLE", headers={"retry-after": "40"}),
    ],
)
async def test_a_wait_that_the_deadline_does_not_allow_is_not_begun(server: GeminiServer, reply: Reply) -> None:
    """The engine fails at once, and until then it asks nobody again."""
    server.play(reply)

    async with engine(server) as made:
        for _ in range(2):
            with pytest.raises(EngineError):
                await answered(made, FakeDesk())

    assert len(server.seen) == 1


@pytest.mark.parametrize("after_plan", [False, True])
async def test_a_cancelled_answer_ends_at_the_server(server: GeminiServer, after_plan: bool) -> None:
    """Cancelling the task closes the HTTP response: the server sees its client go while it still has to send."""
    server.play(*((GOOD[0],) if after_plan else ()), Reply([event(text("The average was {{0:0:0}}. ")), Stall()]))

    async with engine(server, Limits(first_seconds=60, chunk_seconds=60)) as made:
        task = asyncio.create_task(answered(made, FakeDesk()))
        await server.asked(2 if after_plan else 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.idle()


async def test_an_answer_that_is_left_ends_at_the_server(server: GeminiServer) -> None:
    """Closing the answer after its first piece closes the HTTP response, too, though the provider's client is not at fault."""
    server.play(GOOD[0], Reply([event(text("The average was {{0:0:0}}. And ")), Forever(event(text("so ")))]))
    desk = FakeDesk()

    async with engine(server, Limits(output_characters=10**9, stream_bytes=10**12)) as made:
        answer = made.answer(desk.question, desk)
        await anext(answer)
        assert server.open == 1
        await answer.aclose()
        await server.idle()


async def test_a_plan_that_runs_too_long_ends_with_the_answer(server: GeminiServer) -> None:
    """The deadline holds while the database works."""
    server.play(*GOOD)

    async with engine(server, Limits(seconds=0.5)) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, FakeDesk(waits=asyncio.Event()))

    assert failed.value.reason is Fallback.DEADLINE


async def test_unknown_members_are_passed_over(server: GeminiServer) -> None:
    """What a newer provider adds does not break the answer."""
    strange = {"newMember": {"a": [1]}, "candidates": [{"content": {"role": "model", "parts": [{"text": "The average was {{0:0:0}}.", "newPart": 1}]}, "finishReason": "STOP", "newScore": 0.5}]}  # fmt: skip
    server.play(GOOD[0], Reply([sse(strange)]))

    async with engine(server) as made:
        assert words(await answered(made, FakeDesk())) == "The average was 104.57.\n"


async def test_a_character_cut_in_two_arrives_whole(server: GeminiServer) -> None:
    """Chunks of HTTP end anywhere."""
    whole = event(text("The average was {{0:0:0}} µg/m³."), "STOP")
    place = whole.index("µ".encode()) + 1
    server.play(GOOD[0], Reply([whole[:place], whole[place:]]))

    async with engine(server) as made:
        assert words(await answered(made, FakeDesk())) == "The average was 104.57 µg/m³.\n"
