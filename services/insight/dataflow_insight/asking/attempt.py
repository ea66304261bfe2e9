"""One engine's try at an answer: its pieces through the gate to the asker, within the limits."""

import logging
from contextlib import aclosing
from typing import Final

from dataflow_mesh.logs import fields

from dataflow_insight.answers.draft import Bound, Draft, Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.gate import Gate
from dataflow_insight.asking import events
from dataflow_insight.asking.desk import AskDesk
from dataflow_insight.asking.knowledge import with_news
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.stream import Tell
from dataflow_insight.catalogue.catalogue import Catalogues
from dataflow_insight.engines.engine import Engine, EngineError, Fallback
from dataflow_insight.plans.plan import Decline, Declined

_log = logging.getLogger(__name__)

_ONLY_THE_TABLE: Final = "The table below has the result."
_NO_ANSWER: Final = "That cannot be answered from the stored readings."


class Attempt:
    """Runs one engine and keeps what it showed.

    Args:
        engine: Plans and phrases; not trusted.
        desk: Its own.
        survey: Looked at again before a question is declined.
        tell: Gives the asker an event.
        limits: Of what a model may write; None for the local engine, whose text is bounded by its tables and whose
            refusals are our own words.

    Attributes:
        text: What was shown.
        decline: Why there is no answer; None where there is one.
    """

    def __init__(
        self, engine: Engine, desk: AskDesk, survey: Catalogues, tell: Tell, *, limits: AskLimits | None
    ) -> None:
        self.engine = engine
        self.desk = desk
        self.text = ""
        self.decline: Decline | None = None
        self._survey = survey
        self._tell = tell
        self._limits = limits
        self._gate = self._new_gate()
        self._written = 0
        self._pieces = 0

    @property
    def bindings(self) -> tuple[Bound, ...]:
        """What of the text stands on which cell."""
        return self._gate.bindings

    @property
    def removed(self) -> int:
        """Pieces that nothing supports and that were not shown."""
        return len(self._gate.removed)

    @property
    def has_substance(self) -> bool:
        """Whether something was shown that stands on a result, or that there is no answer."""
        return self.decline is not None or self._gate.has_substance

    async def run(self) -> None:
        """Tells the engine's plans, results and texts.

        Raises:
            EngineError: The engine failed, or wrote more than it may.
            Exception: Whatever else the engine raised.
        """
        if not await self._once(last=False):
            self._gate = self._new_gate()
            await self._once(last=True)
        await self._emit(self._gate.close())
        if self.decline is None and self.desk.found_nothing:
            self.decline = Decline.NO_DATA
        if self.removed:
            # What was removed may be anything, also something out of the data: not for a log that many read.
            _log.warning("text removed", extra=fields("text_removed", engine=self.engine.name, sentences=self.removed))
            _log.debug("removed", extra=fields("text_removed_why", removed=[why for _, why in self._gate.removed]))
        if not self.text and (self._limits is None or self.decline is not None):
            await self._emit(Verified(_NO_ANSWER if self.decline is not None else _ONLY_THE_TABLE))

    async def _once(self, *, last: bool) -> bool:
        """Returns False where nothing was shown and the question should be looked at again, with a newer catalogue."""
        # Closed here and not by the garbage collector: what the engine has open ends with its answer.
        async with aclosing(self.engine.answer(self.desk.asked, self.desk)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Declined):
                    if not last and not self._pieces and not self.desk.computed:
                        newer = await with_news(self._survey, self.desk.asked)
                        if newer is not None:
                            self.desk.asked = newer
                            return False
                    await self._decline(piece)
                    return True
                await self._show(piece)
        return True

    async def _decline(self, declined: Declined) -> None:
        self.decline = declined.reason
        if self._limits is None:
            # Our own words about the catalogue, which no cell could support.
            await self._emit(Verified(declined.text))
        else:
            await self._show(Draft(declined.text))

    async def _show(self, draft: Draft) -> None:
        self._pieces += 1
        self._written += len(draft.text)
        limits = self._limits
        if limits is not None and (self._written > limits.characters or self._pieces > limits.pieces):
            raise EngineError(Fallback.LIMIT, f"wrote more than {limits.characters} characters")
        await self._emit(self._gate.feed(draft))

    async def _emit(self, verified: Verified) -> None:
        if not verified.text:
            return
        self.text += verified.text
        await self._tell(events.text(verified.text, verified.bindings))

    def _new_gate(self) -> Gate:
        asked = self.desk.asked
        evidence = Evidence(asked.question, asked.catalogue, asked.now, self.desk.computed)
        return Gate(evidence)
