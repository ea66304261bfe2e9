"""What a provider's refusal means: pure, on numbers and JSON, so that each case is tested without a connection."""

import re
from collections.abc import Mapping
from typing import Any, Final

from dataflow_insight.engines.engine import Fallback
from dataflow_insight.engines.gemini.messages import ModelError

MOST_WAIT_SECONDS: Final = 3600.0
"""Longer waits are taken as this."""

_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_STATUS: Final = re.compile(r"[A-Z_]{1,40}")
_DELAY: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def failure_of(code: object, details: object, headers: Mapping[str, str]) -> ModelError:
    """Returns what an error response, or an error object within a stream, means.

    Args:
        code: The HTTP status, or the `code` of the object.
        details: The body as JSON: `{"error": {"code", "message", "status", "details"}}`, or anything at all.
        headers: Of the response, in lower case.
    """
    number = code if isinstance(code, int) and not isinstance(code, bool) else 0
    error = _error(details)
    status = error.get("status")
    name = status if isinstance(status, str) and _STATUS.fullmatch(status) else ""
    told = f"the provider answered {number or 'an error'}{f' {name}' if name else ''}"
    after = _wait(error, headers)
    if number == 429 or name == "RESOURCE_EXHAUSTED":
        return ModelError(Fallback.RATE_LIMITED, told, passing=True, after_seconds=after)
    if number in {401, 403} or name in {"UNAUTHENTICATED", "PERMISSION_DENIED"} or _bad_key(error):
        return ModelError(Fallback.REFUSED, f"{told}: it does not take the key")
    if number == 504 or name == "DEADLINE_EXCEEDED":
        return ModelError(Fallback.DEADLINE, told, passing=True, after_seconds=after)
    if number in _PASSING or name in {"UNAVAILABLE", "INTERNAL"}:
        return ModelError(Fallback.UNAVAILABLE, told, passing=True, after_seconds=after)
    if 300 <= number < 400:
        return ModelError(Fallback.INVALID, f"{told}: it sent us elsewhere, which is not followed")
    if 400 <= number < 500:
        return ModelError(Fallback.REFUSED, told)
    return ModelError(Fallback.INVALID, told)


def _error(details: object) -> Mapping[str, Any]:
    if isinstance(details, list) and len(details) == 1:
        details = details[0]
    inner = details.get("error", details) if isinstance(details, dict) else None
    return inner if isinstance(inner, dict) else {}


def _entries(error: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    entries = error.get("details")
    return [
        entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and str(entry.get("@type", "")).endswith(kind)
    ]


def _bad_key(error: Mapping[str, Any]) -> bool:
    return any(entry.get("reason") == "API_KEY_INVALID" for entry in _entries(error, "google.rpc.ErrorInfo"))


def _wait(error: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Returns the longest wait that the provider asked for, by RetryInfo or Retry-After in seconds."""
    said = [str(entry.get("retryDelay", "")) for entry in _entries(error, "google.rpc.RetryInfo")]
    header = headers.get("retry-after", "").strip()
    said.append(f"{header}s")
    waits = [float(found[1]) for text in said if (found := _DELAY.fullmatch(text))]
    return min(max(waits), MOST_WAIT_SECONDS) if waits else None
