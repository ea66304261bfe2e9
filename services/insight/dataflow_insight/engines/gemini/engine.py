"""The engine: asks the model for plans, computes them, gives results back, and turns its words into drafts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Final

from dataflow_mesh.names import INSIGHT_MODEL_CALLS, INSIGHT_TOKENS, Attribute
from dataflow_mesh.telemetry import counter

from dataflow_insight.answers.draft import Draft
from dataflow_insight.engines.engine import Asked, Desk, EngineError, Fallback
from dataflow_insight.engines.gemini.budget import Budget
from dataflow_insight.engines.gemini.context import Sample
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.messages import (
    Called,
    Calling,
    Chunk,
    Model,
    ModelError,
    Request,
    Returned,
    Said,
    Spoke,
    Stop,
    Tokens,
    Told,
)
from dataflow_insight.engines.gemini.prompt import SYSTEM, opening
from dataflow_insight.engines.gemini.redaction import Policy, Redactor
from dataflow_insight.engines.gemini.sample import sample_readings
from dataflow_insight.engines.gemini.schema import tools
from dataflow_insight.engines.gemini.tooling import Tooling
from dataflow_insight.engines.gemini.tries import Tries
from dataflow_insight.engines.gemini.writing import Writer
from dataflow_insight.english.refusals import nothing_stored
from dataflow_insight.plans.plan import Declined
from dataflow_insight.queries.reads import Reads

_CHARACTERS_PER_TOKEN: Final = 3
_AGAIN: Final = (
    "That was no answer. Call compute_plan or decline; after results, write the answer with cell references."
)


class GeminiEngine:
    """Plans and phrases by a model of Gemini.

    Args:
        model: Streams its turns.
        limits: Of one answer.
        policy: What leaves the house.
        budget: Of this process.
        reads: Where a sample of readings is read from; None: there is none.
    """

    def __init__(
        self,
        model: Model,
        *,
        limits: Limits | None = None,
        policy: Policy | None = None,
        budget: Budget | None = None,
        reads: Reads | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._policy = policy or Policy()
        self._budget = budget or Budget()
        self._tries = Tries(model, self._limits, self._budget)
        self._reads = reads

    @property
    def name(self) -> str:
        """What the asker is told."""
        return "gemini"

    async def answer(self, asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
        """Yields the answer in pieces, or why there is none.

        Raises:
            EngineError: The model failed, or reached a limit; the text has no secret in it.
        """
        redactor = Redactor(self._policy, asked.catalogue)
        if redactor.names_withheld(asked.question) or (asked.contract and self._policy.hides(asked.contract)):
            raise EngineError(Fallback.WITHHELD, "the question names what the policy keeps from the model")
        dialogue = _Dialogue(asked, desk, redactor, self._limits, self._budget, self._tries)
        sample = {} if self._reads is None else await sample_readings(self._reads, redactor)
        async with aclosing(dialogue.run(sample)) as pieces:
            async for piece in pieces:
                yield piece


class _Dialogue:
    """One answer."""

    def __init__(
        self, asked: Asked, desk: Desk, redactor: Redactor, limits: Limits, budget: Budget, tries: Tries
    ) -> None:
        self._asked = asked
        self._desk = desk
        self._redactor = redactor
        self._limits = limits
        self._budget = budget
        self._tries = tries
        self._tooling = Tooling(asked, desk, redactor, limits)
        self._writer = Writer(asked, self._tooling.results, redactor)
        self._ends_at = asyncio.get_running_loop().time() + limits.seconds
        self._held: list[Draft] = []
        self._characters = 0

    async def run(self, sample: Sample) -> AsyncGenerator[Draft | Declined, None]:
        """Takes turns with the model until there is an answer."""
        # In a thread: hundreds of contracts with thousands of devices take a tenth of a second, which nobody else should wait for.
        first = await asyncio.to_thread(opening, self._asked, self._redactor, self._limits, sample)
        turns: list[Told | Spoke | Returned] = [first]
        for _ in range(self._limits.model_calls):
            parts: list[Said | Called] = []
            async with aclosing(self._turn(tuple(turns), parts)) as drafts:
                async for draft in drafts:
                    yield draft
            calls = [part for part in parts if isinstance(part, Called)]
            if not calls:
                if self._writer.references:
                    return
                if self._tooling.found_nothing:
                    # Whatever the model says of nothing cannot stand on a cell.
                    yield nothing_stored()
                    return
                self._tooling.mistake("wrote no answer that stands on a result")
                turns += [Spoke(tuple(parts)), Told((_AGAIN,))] if parts else [Told((_AGAIN,))]
                continue
            returned, declined = await self._tooling.run(calls, self._ends_at)
            if declined is not None and not self._writer.references:
                if self._redactor.withholds:
                    raise EngineError(Fallback.WITHHELD, "the policy may keep from the model what the question needs")
                yield declined
                return
            turns += [Spoke(tuple(parts)), returned]
        raise EngineError(Fallback.LIMIT, f"no answer within {self._limits.model_calls} calls to the model")

    async def _turn(
        self, turns: tuple[Told | Spoke | Returned, ...], parts: list[Said | Called]
    ) -> AsyncGenerator[Draft, None]:
        """Takes one turn of the model, adds its parts to `parts`, and yields what it wrote."""
        self._budget.check()
        request = Request(SYSTEM, turns, tools(), self._calling(), self._limits.output_tokens)
        stop: Stop | None = None
        tokens: Tokens | None = None
        characters = 0
        try:
            async with aclosing(self._tries.stream(request, self._ends_at, self._count_call)) as chunks:
                async for chunk in chunks:
                    stop, tokens = chunk.stop or stop, chunk.tokens or tokens
                    characters += self._take(chunk, parts)
                    for draft in self._drafts(chunk):
                        yield draft
        except ModelError as error:
            raise EngineError(error.reason, str(error)) from None
        finally:
            self._spend(tokens or Tokens(written=characters // _CHARACTERS_PER_TOKEN))
        self._judge(stop, parts)
        for draft in self._shown(self._writer.close()):
            yield draft

    def _calling(self) -> Calling:
        if not self._tooling.results:
            return Calling.MUST
        return Calling.MAY if self._tooling.may_compute else Calling.NEVER

    def _take(self, chunk: Chunk, parts: list[Said | Called]) -> int:
        """Adds a piece to the turn, and words to words; returns how many characters it has."""
        characters = 0
        for part in chunk.parts:
            last = parts[-1] if parts else None
            if isinstance(part, Said):
                characters += len(part.text)
                if isinstance(last, Said) and not last.signature:
                    parts[-1] = Said(last.text + part.text, part.signature)
                    continue
            parts.append(part)
        self._characters += characters
        if self._characters > self._limits.output_characters:
            raise EngineError(Fallback.LIMIT, f"the model wrote more than {self._limits.output_characters} characters")
        if sum(isinstance(part, Called) for part in parts) > 4 * self._limits.calls_per_turn:
            raise EngineError(Fallback.LIMIT, "the model called too many tools in one turn")
        return characters

    def _drafts(self, chunk: Chunk) -> list[Draft]:
        """Returns what may be written of a piece. Before there is a result, nothing can stand on one."""
        if not self._tooling.results:
            return []
        return self._shown(
            [draft for part in chunk.parts if isinstance(part, Said) for draft in self._writer.feed(part.text)]
        )

    def _shown(self, drafts: list[Draft]) -> list[Draft]:
        """Holds everything back until something stands on a cell."""
        self._held += drafts
        if not self._writer.references:
            return []
        shown, self._held = self._held, []
        return shown

    def _judge(self, stop: Stop | None, parts: list[Said | Called]) -> None:
        """Raises where the turn did not end well; a call that cannot be read is taken out of it."""
        match stop:
            case Stop.DONE:
                return
            case Stop.REFUSED:
                raise EngineError(Fallback.REFUSED, "the provider stopped the model's answer")
            case Stop.TOO_LONG:
                raise EngineError(Fallback.LIMIT, "the model used up its tokens before the end of the answer")
            case Stop.MALFORMED if not self._writer.references:
                # A turn without a call and without an answer: counted as such.
                parts[:] = [part for part in parts if isinstance(part, Said)]
            case _:
                raise EngineError(Fallback.INVALID, "the model stopped for a reason that is not known")

    def _count_call(self) -> None:
        self._desk.usage.model_call_count += 1
        counter(INSIGHT_MODEL_CALLS).add(1)

    def _spend(self, tokens: Tokens) -> None:
        self._budget.spend(tokens)
        self._desk.usage.input_token_count += tokens.prompt
        self._desk.usage.output_token_count += tokens.written + tokens.thoughts
        for kind, count in asdict(tokens).items():
            counter(INSIGHT_TOKENS).add(count, {Attribute.KIND: kind})
