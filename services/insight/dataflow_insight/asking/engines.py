"""Which engine answers first, and which one when that fails."""

from dataclasses import dataclass

from dataflow_mesh.errors import InvalidRequestError

from dataflow_insight.engines.engine import Engine


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of a process.

    Attributes:
        local: Needs nothing and is always there.
        model: Asked first where there is one.
    """

    local: Engine
    model: Engine | None = None

    def first(self, name: str) -> Engine:
        """Returns the engine that is to answer.

        Args:
            name: The asker's wish; empty: the model where there is one.

        Raises:
            InvalidRequestError: There is no engine of this name.
        """
        if not name:
            return self.model or self.local
        for engine in (self.local, self.model):
            if engine is not None and engine.name == name:
                return engine
        raise InvalidRequestError(f"engine: there is no engine {name!r} here; leave it empty, or take 'local'")
