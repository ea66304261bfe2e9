"""Streams of Gemini with bytes changed, lost, repeated and cut at random: an answer or an EngineError, nothing else, nothing open."""

import random
from collections.abc import Callable

import pytest
from dataflow_insight.engines.engine import EngineError
from dataflow_insight.engines.gemini.limits import Limits

from tests.gemini_desk import PLAN, RANKING, FakeDesk, answered, engine
from tests.gemini_server import Cut, Piece, Reply, calls, gemini_server, text, turn

LIMITS = Limits(seconds=3.0, first_seconds=0.5, chunk_seconds=0.5, attempts=1)
STREAMS = 150

Mutation = Callable[[random.Random, bytes], bytes]


def _change(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _lose(dice: random.Random, data: bytes) -> bytes:
    start = dice.randrange(len(data))
    return data[:start] + data[start + dice.randint(1, 60) :]


def _repeat(dice: random.Random, data: bytes) -> bytes:
    start = dice.randrange(len(data))
    return data[: start + dice.randint(1, 200)] + data[start:]


def _swap(dice: random.Random, data: bytes) -> bytes:
    values = [b"null", b"[]", b"{}", b"1e999", b'"\\ud800"', b"true", b"-1", b'""', b"[[[[]]]]", b'{"error":{}}']
    places = [place for place in range(len(data)) if data[place : place + 1] in b'{["']
    place = dice.choice(places)
    return data[:place] + dice.choice(values) + data[place:]


MUTATIONS: tuple[Mutation, ...] = (_change, _lose, _repeat, _swap)


def _mutated(dice: random.Random, reply: Reply) -> Reply:
    """Returns a reply whose bytes were changed, sent in pieces of any length, and maybe cut."""
    data = b"".join(piece for piece in reply.pieces if isinstance(piece, bytes))
    for _ in range(dice.randint(0, 2)):
        data = dice.choice(MUTATIONS)(dice, data)
    pieces: list[Piece] = []
    while data:
        length = dice.choice((1, 7, 100, 4000))
        pieces.append(data[:length])
        data = data[length:]
    if dice.random() < 0.2:
        pieces[dice.randrange(len(pieces)) :] = [Cut()]
    return Reply(pieces)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore:.*is not a valid")
async def test_no_stream_ends_in_anything_but_an_answer_or_an_engine_error(seed: int) -> None:
    """Some come through, most do not; the server sees each connection end."""
    dice = random.Random(seed)
    good = (
        turn(calls(PLAN, RANKING)),
        turn(text("The average was {{0:0:0}} "), text("µg/m³; {{1:0:0}} had {{1:0:1}}.")),
    )
    outcomes = {"answer": 0, "error": 0}
    async with gemini_server() as server, engine(server, LIMITS) as made:
        for _ in range(STREAMS):
            server.play(*(_mutated(dice, reply) for reply in good))
            try:
                pieces = await answered(made, FakeDesk())
            except EngineError:
                outcomes["error"] += 1
            else:
                assert pieces
                outcomes["answer"] += 1
            await server.idle()

    assert all(outcomes.values()), outcomes
