"""Calls Gemini: the one file that knows google.genai. Errors leave it as `ModelError`, without anything secret."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import httpx2
from google import genai
from google.genai import errors, types

from dataflow_insight.engines.engine import Fallback
from dataflow_insight.engines.gemini.failures import failure_of
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.messages import (
    Called,
    Calling,
    Chunk,
    ModelError,
    Request,
    Returned,
    Said,
    Spoke,
    Stop,
    Tokens,
    Told,
    Tool,
)
from dataflow_insight.engines.gemini.wire import EncodedError, Responses, TooManyBytesError, http_client

_CONNECTIONS: Final = 32
_MODES: Final = {
    Calling.MUST: types.FunctionCallingConfigMode.ANY,
    Calling.MAY: types.FunctionCallingConfigMode.AUTO,
    Calling.NEVER: types.FunctionCallingConfigMode.NONE,
}
_STOPS: Final = {
    "STOP": Stop.DONE,
    "MAX_TOKENS": Stop.TOO_LONG,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"),
        Stop.REFUSED,
    ),
    **dict.fromkeys(
        ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
        Stop.MALFORMED,
    ),
}


class GeminiClient:
    """Streams turns of one Gemini model over one pool of connections.

    Args:
        client: The provider's.
        model: Name of the model.
        limits: For bytes and for the time between pieces.
    """

    def __init__(self, client: genai.Client, model: str, limits: Limits) -> None:
        self._client = client
        self._model = model
        self._limits = limits

    @classmethod
    @asynccontextmanager
    async def open(cls, *, key: str, model: str, base_url: str, limits: Limits) -> AsyncIterator[Self]:
        """Opens a pool for the length of the context.

        Args:
            key: From the environment; nothing but the request's header gets it.
            model: Name of the model.
            base_url: Where the provider is.
            limits: See the class.
        """
        async with http_client(_CONNECTIONS) as http:
            # All that the provider's client would take from the environment is said here: where to go and as whom.
            client = genai.Client(
                vertexai=False,
                api_key=key,
                http_options=types.HttpOptions(base_url=base_url, httpx_async_client=http),
            )
            try:
                yield cls(client, model, limits)
            finally:
                await client.aio.aclose()
                client.close()

    @asynccontextmanager
    async def stream(self, request: Request, *, seconds: float) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Makes one call; leaving the context closes the connection at once."""
        call = _Call(self._client, self._model, request, self._limits, seconds)
        try:
            yield call
        finally:
            await call.aclose()


class _Call:
    """An iterator rather than a generator: each step is awaited in the caller's task, under its own time limits."""

    def __init__(self, client: genai.Client, model: str, request: Request, limits: Limits, seconds: float) -> None:
        self._client = client
        self._model = model
        self._request = request
        self._limits = limits
        self._responses = Responses(limits.stream_bytes)
        self._ends_at = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._chunks: AsyncIterator[types.GenerateContentResponse] | None = None
        self._wait = limits.first_seconds
        self._stopped = False
        self._pieces = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        left = self._ends_at - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, min(self._wait, left))):
                response = await self._next()
        except StopAsyncIteration:
            if not self._stopped:
                raise ModelError(Fallback.UNAVAILABLE, "the stream ended in the middle", passing=True) from None
            raise
        except TimeoutError:
            raise ModelError(Fallback.DEADLINE, f"nothing came for {min(self._wait, max(left, 0)):.0f} s") from None
        self._wait = self._limits.chunk_seconds
        self._pieces += 1
        if self._pieces > self._limits.stream_pieces:
            raise ModelError(Fallback.LIMIT, "the provider's stream is too long")
        chunk = _chunk(response)
        self._stopped = self._stopped or chunk.stop is not None
        return chunk

    async def _next(self) -> types.GenerateContentResponse:
        """Returns the next piece; from None everywhere, since the causes hold what the provider wrote."""
        try:
            with self._responses:
                if self._chunks is None:
                    self._chunks = await self._client.aio.models.generate_content_stream(
                        model=self._model, contents=_contents(self._request), config=self._config()
                    )
                return await anext(self._chunks)
        except (StopAsyncIteration, TimeoutError):
            raise
        except errors.APIError as error:
            raise failure_of(error.code, error.details, _headers(error.response)) from None
        except TooManyBytesError:
            raise ModelError(Fallback.LIMIT, "the provider's stream is too long") from None
        except EncodedError:
            raise ModelError(Fallback.INVALID, "the provider's stream is compressed unasked") from None
        except httpx2.TransportError as error:
            kind = type(error).__name__
            raise ModelError(Fallback.UNAVAILABLE, f"the provider cannot be reached: {kind}", passing=True) from None
        except Exception as error:  # noqa: BLE001 - the provider's client lets a strange stream end in any exception
            raise ModelError(
                Fallback.INVALID, f"the provider's stream cannot be read: {type(error).__name__}"
            ) from None

    async def aclose(self) -> None:
        """Closes the connection, then lets the generators over it end."""
        await self._responses.aclose()
        closing = getattr(self._chunks, "aclose", None)
        if closing is not None:
            await closing()

    def _config(self) -> types.GenerateContentConfig:
        # No temperature: models that think are made for their own. No continuation and no calling on our behalf: the
        # engine counts calls.
        return types.GenerateContentConfig(
            system_instruction=self._request.system,
            max_output_tokens=self._request.max_output_tokens,
            tools=[types.Tool(function_declarations=[_declaration(tool) for tool in self._request.tools])],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(mode=_MODES[self._request.calling])
            ),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            automatic_continuation=False,
            http_options=types.HttpOptions(timeout=max(1, int(self._seconds * 1000))),
        )


def _declaration(tool: Tool) -> types.FunctionDeclaration:
    return types.FunctionDeclaration(
        name=tool.name, description=tool.description, parameters_json_schema=dict(tool.schema)
    )


def _contents(request: Request) -> list[types.Content]:
    contents = []
    for turn in request.turns:
        match turn:
            case Told():
                contents.append(types.Content(role="user", parts=[types.Part(text=text) for text in turn.texts]))
            case Spoke():
                contents.append(types.Content(role="model", parts=[_part(part) for part in turn.parts]))
            case Returned():
                parts = [
                    types.Part(
                        function_response=types.FunctionResponse(
                            id=call.call_id or None, name=call.name, response=dict(result)
                        )
                    )
                    for call, result in turn.results
                ]
                contents.append(types.Content(role="user", parts=parts))
    return contents


def _part(part: Said | Called) -> types.Part:
    signature = part.signature or None
    if isinstance(part, Said):
        return types.Part(text=part.text, thought_signature=signature)
    call = types.FunctionCall(id=part.call_id or None, name=part.name, args=dict(part.arguments))
    return types.Part(function_call=call, thought_signature=signature)


def _chunk(response: types.GenerateContentResponse) -> Chunk:
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        raise ModelError(Fallback.REFUSED, "the provider blocked the question")
    candidate = response.candidates[0] if response.candidates else None
    content = candidate.content if candidate is not None else None
    parts: list[Said | Called] = []
    for part in (content.parts or []) if content is not None else []:
        signature = part.thought_signature or b""
        if part.function_call is not None:
            call = part.function_call
            parts.append(Called(call.name or "", call.args or {}, call.id or "", signature))
        elif not part.thought and (part.text or signature):
            parts.append(Said(part.text or "", signature))
    reason = candidate.finish_reason if candidate is not None else None
    stop = None if reason is None else _STOPS.get(reason.value, Stop.OTHER)
    return Chunk(tuple(parts), stop, _tokens(response.usage_metadata))


def _tokens(usage: types.GenerateContentResponseUsageMetadata | None) -> Tokens | None:
    if usage is None:
        return None
    return Tokens(
        prompt=_count(usage.prompt_token_count) + _count(usage.tool_use_prompt_token_count),
        cached=_count(usage.cached_content_token_count),
        written=_count(usage.candidates_token_count),
        thoughts=_count(usage.thoughts_token_count),
    )


def _count(number: int | None) -> int:
    return min(max(number or 0, 0), 1 << 40)


def _headers(response: Any) -> Mapping[str, str]:
    found = getattr(response, "headers", None)
    return {str(name).lower(): str(value) for name, value in dict(found or {}).items()}
