"""Hostile data: whatever devices call themselves and authors describe is only shown, quoted, as the name or value that it is."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc.aio
import pytest
from dataflow_insight.__main__ import ask_service
from dataflow_insight.asking.service import AskService
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.engines.gemini.client import GeminiClient
from dataflow_insight.engines.gemini.engine import GeminiEngine
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.redaction import Policy
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import PostgresCluster, in_process_server

from tests.ask_client import Asker
from tests.ask_serving import local_service
from tests.attack_checker import fingerprint, objection
from tests.attack_data import DEVICES, FIELDS, NAME_LIES, QUESTIONS, device_questions, load_plant
from tests.gemini_server import KEY, GeminiServer, Reply, calls, gemini_server, strings_in, text, turn

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
BY_DEVICE: dict[str, Any] = {"contract": "plant", "measure": "MEASURE_AVG", "field": "temp", "group_by": ["GROUPING_DEVICE"]}  # fmt: skip

BY_DEVICE_QUESTION = "What was the average temp by device?"
ROW = sorted(DEVICES).index("average")
TRUTH = f"The average temp at {{{{0:{ROW}:0}}}} was {{{{0:{ROW}:1}}}}."
NAMES = {name for name, _, _ in FIELDS}
"""A sentence may name a field."""

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Load hostile readings."""
    dsn = cluster.create_database()
    asyncio.run(load_plant(dsn))
    return dsn


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Reader]:
    """Open the role that answers."""
    async with Reader.open(database) as opened:
        yield opened


@asynccontextmanager
async def serving(reader: Reader, policy: Policy | None = None) -> AsyncIterator[tuple[Asker, GeminiServer]]:
    """Serve both engines, the model being a local one."""
    async with (
        gemini_server() as model,
        GeminiClient.open(key=KEY, model="m", base_url=model.url, limits=Limits()) as client,
    ):
        engine = GeminiEngine(client, policy=policy, reads=reader)
        service = AskService(LocalEngine(), Survey(reader), reader, model=engine, now=lambda: NOW)
        async with in_process_server([ask_service(service)]) as server:
            yield Asker(server.channel), model


async def test_questions_about_hostile_data_are_answered_honestly_or_declined(reader: Reader, database: str) -> None:
    """By the local engine: every device in three ways, and the contract as a whole."""
    before = await fingerprint(database)
    wrong = []
    async with in_process_server([local_service(reader, lambda: NOW)]) as server:
        ask = Asker(server.channel)
        for question in (*QUESTIONS, *device_questions()):
            try:
                asked = await ask(question)
            except grpc.aio.AioRpcError as error:
                wrong.append(f"{question!r}: {error.code()} {error.details()}")
                continue
            if (problem := objection(asked, known=NAMES)) is not None:
                wrong.append(f"{question!r}: {problem}")

    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database) == before


@pytest.mark.parametrize(
    "policy", [Policy(), Policy(aliases=True, values=False, sample_rows=3)], ids=["open", "closed"]
)
async def test_a_model_that_obeys_its_data_shows_nothing_false(reader: Reader, database: str, policy: Policy) -> None:
    """It says each text that it finds in the catalogue and in results as if it were its own."""
    before = await fingerprint(database)
    wrong = []
    async with serving(reader, policy) as (ask, model):
        model.play(turn(calls(BY_DEVICE)), turn(text(TRUTH)))
        await ask(BY_DEVICE_QUESTION)
        found = sorted(set(_data_texts(model.seen[-1].body)), key=len)
        for words in found:
            model.play(turn(calls(BY_DEVICE)), turn(text(f"{words} {TRUTH} {words}.")))
            asked = await ask(BY_DEVICE_QUESTION)
            if (problem := objection(asked, known=NAMES)) is not None:
                wrong.append(f"{words!r} ({asked.finished.engine}): {problem}")

    assert len(found) > (20 if policy.aliases else 50)
    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database) == before


def _data_texts(body: dict[str, Any]) -> Iterator[str]:
    """Yields what data say to the model: in the blocks of its prompt, and in results."""
    for string in strings_in(body["contents"]):
        block = re.fullmatch(r"<data \w+: [^\n]*>\n([^\n]*)\n</data \w+>", string)
        yield from strings_in(json.loads(block[1])) if block else (string,)


async def test_hostile_data_stay_in_their_block(reader: Reader) -> None:
    """The prompt has as many blocks as it should; nothing of the data ends one."""
    async with serving(reader) as (ask, model):
        model.play(turn(calls(BY_DEVICE)), turn(text(TRUTH)))
        await ask(BY_DEVICE_QUESTION)

    catalogue, *others = (part["text"] for part in model.seen[0].body["contents"][0]["parts"])
    assert len(others) == 2
    head, body, tail = catalogue.split("\n")
    assert not set("<>") & set(body)
    assert head.startswith("<data ")
    assert tail.startswith("</data ")
    shown = json.loads(body)["contracts"][0]["device_ids"]
    assert set(shown) <= set(DEVICES)


async def test_each_hostile_device_can_be_asked_for_by_the_model(reader: Reader) -> None:
    """Every id that a device can give itself is found, computed and named."""
    wrong = []
    async with serving(reader) as (ask, model):
        for place, device in enumerate(DEVICES):
            plan = {**BY_DEVICE, "scope": {"device_ids": [device]}}
            model.play(turn(calls(plan)), turn(text("The average temp at {{0:0:0}} was {{0:0:1}}.")))
            asked = await ask(BY_DEVICE_QUESTION)
            wanted = sum(round(20 + place * 0.37 + hour * 1.13, 3) for hour in range(4)) / 4
            row = asked.cells[0]
            if (row[0], round(row[1], 6)) != (device, round(wanted, 6)):
                wrong.append(f"{device!r}: {row}")
            if (problem := objection(asked, known=NAMES)) is not None:
                wrong.append(f"{device!r} ({asked.finished.engine}): {problem}")

    assert not wrong, "\n".join(wrong)


async def test_a_name_that_reads_as_a_number_is_never_said_as_one(reader: Reader) -> None:
    """Whatever the model does with it, it is shown in quotes or not at all."""
    wrong = []
    async with serving(reader) as (ask, model):
        for lie in NAME_LIES:
            model.play(turn(calls(BY_DEVICE)), turn(text(f"{lie} {TRUTH}")))
            asked = await ask(BY_DEVICE_QUESTION)
            shown = "".join(event.text.text for event in asked.events)
            if asked.finished.engine == "gemini" and re.search(
                r"(?<!\w)(?:31337|-1\b|12 %|2014-01-16)", _unquoted(shown)
            ):
                wrong.append(f"{lie!r}: {shown!r}")

    assert not wrong, "\n".join(wrong)


def _unquoted(shown: str) -> str:
    """Returns a text without the names that stand in quotes."""
    for device in sorted(DEVICES, key=len, reverse=True):
        shown = shown.replace(f'"{device}"', " ")
    return shown


async def test_a_model_that_copies_its_prompt_shows_none_of_it(reader: Reader) -> None:
    """Neither the instruction nor the catalogue, but what results hold."""

    def parrot(body: dict[str, Any]) -> Reply:
        if len(body["contents"]) == 1:
            return turn(calls(BY_DEVICE))
        said = " ".join(strings_in(body["contents"])) + " " + body["systemInstruction"]["parts"][0]["text"]
        return turn(text(f"{TRUTH} {said[:6000]}"))

    async with serving(reader) as (ask, model):
        model.play(parrot)
        asked = await ask(BY_DEVICE_QUESTION)

    assert objection(asked, known=NAMES) is None
