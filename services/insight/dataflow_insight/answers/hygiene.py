"""What no answer shows, whoever wrote it: code, markup, links, SQL, secrets, characters that hide others."""

import re
from typing import Final

from dataflow_insight.answers.letters import MASK, has_invisible

_NEVER: Final = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("code", r"```|~~~|`|\$\(|\{\{|\bfunction\s*\(|\bimport\s+os\b|\bos\.system\b|\beval\s*\("),
        ("a link", r"\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.|\]\s*\(|!\[|\[[^\]]*\]:|\b(?:javascript|data|mailto|file)\s*:\s*\S|\b[\w-]+\.(?:com|net|org|io|ru|cn|xyz|info|biz|dev|app)\b"),
        ("markup", r"<\s*/?\s*[a-z!?][^>]*>?|&(?:#\d+|#x[0-9a-f]+|[a-z]+);"),
        ("SQL", r"\bselect\b.{0,200}\bfrom\s+\w+\.|\bselect\s+(?:\*|count\s*\(|[\w\".]+\s*(?:,|from\b))|\b(?:drop|alter|create|truncate)\s+(?:table|schema|role|user|database)\b|\b(?:insert\s+into|delete\s+from)\b|\bupdate\s+\S+\s+set\b|\bgrant\s+\w+\s+(?:on|to)\b|\bunion\s+(?:all\s+)?select\b|;\s*--|\bpg_(?:sleep|shadow|authid|catalog|read_file)\b|\binformation_schema\b"),
        ("an instruction", r"\b(?:system|developer)\s+(?:prompt|message|instructions?)\b|\b(?:ignore|disregard|forget)\s+(?:all|any|the|your|previous|prior)\b"),
    )
)  # fmt: skip
_SECRET: Final = re.compile(
    r"\b(?:passwords?|passwd|secrets?|api[\s_-]?keys?|credentials?|private[\s_-]key|access[\s_-]?tokens?|bearer|dsn)\b"
    r"|\bAIza[\w-]{10,}|\bsk-[\w-]{8,}|-----BEGIN|\beyJ[\w-]{10,}",
    re.IGNORECASE,
)
_SHOUTED: Final = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]{3,}\b")


def unfit(text: str) -> str | None:
    """Returns why a sentence may not be shown, whatever it says; None for one that may.

    Args:
        text: A sentence; names of devices and values that stand in results are masked, as they are data.
    """
    for reason, pattern in _NEVER:
        if pattern.search(text):
            return reason
    if _SECRET.search(text) or _SHOUTED.search(text):
        return "a secret"
    return "hidden characters" if has_invisible(text.replace(MASK, "")) else None
