"""One engine's try at an answer: its pieces through the gate to the asker, within the limits."""

from contextlib import aclosing

from dataflow_insight.answers.verify import Bound, Draft, Verified
from dataflow_insight.asking import events
from dataflow_insight.asking.desk import AskDesk
from dataflow_insight.asking.knowledge import Catalogues, with_news
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.stream import Tell
from dataflow_insight.engines.engine import Engine, EngineError, Fallback
from dataflow_insight.plans.plan import Decline, Declined


class Attempt:
    """Runs one engine and keeps what it showed.

    Args:
        engine: Plans and phrases; not trusted.
        desk: Its own.
        survey: Looked at again before a question is declined.
        tell: Gives the asker an event.
        limits: Of what an engine may write; None: its text is bounded otherwise.

    Attributes:
        text: What was shown.
        bindings: What of it stands on which cell.
        removed: Pieces that nothing supports and that were not shown.
        decline: Why there is no answer; None where there is one.
    """

    def __init__(
        self, engine: Engine, desk: AskDesk, survey: Catalogues, tell: Tell, *, limits: AskLimits | None
    ) -> None:
        self.engine = engine
        self.desk = desk
        self.text = ""
        self.bindings: tuple[Bound, ...] = ()
        self.removed = 0
        self.decline: Decline | None = None
        self._survey = survey
        self._tell = tell
        self._limits = limits
        self._written = 0
        self._pieces = 0

    async def run(self) -> None:
        """Tells the engine's plans, results and texts.

        Raises:
            EngineError: The engine failed, or wrote more than it may.
            Exception: Whatever else the engine raised.
        """
        if not await self._once(last=False):
            await self._once(last=True)
        if self.decline is None and self.desk.found_nothing:
            self.decline = Decline.NO_DATA

    async def _once(self, *, last: bool) -> bool:
        """Returns False where nothing was shown and the question should be looked at again, with a newer catalogue."""
        # Closed here and not by the garbage collector: what the engine has open ends with its answer.
        async with aclosing(self.engine.answer(self.desk.asked, self.desk)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Declined):
                    if not last and not self.text and not self.desk.computed:
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
            await self._emit(Verified(declined.text, (), clean=True))
        else:
            await self._show(Draft(declined.text))

    async def _show(self, draft: Draft) -> None:
        self._pieces += 1
        self._written += len(draft.text)
        if self._limits is not None and (self._written > self._limits.characters or self._pieces > self._limits.pieces):
            raise EngineError(Fallback.LIMIT, f"wrote more than {self._limits.characters} characters")
        await self._emit(self.desk.verify(draft))

    async def _emit(self, verified: Verified) -> None:
        self.text += verified.text
        self.bindings += verified.bindings
        self.removed += not verified.clean
        await self._tell(events.text(verified.text, verified.bindings))
