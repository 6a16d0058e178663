"""What answers have in common whoever gives them: notices where data should be, words of a refusal."""

from __future__ import annotations

from typing import Any

from headgate.sources.model import Answer, Unavailable

SHORT = 16_384  # bytes; errors are no longer


def not_data(answer: Answer, title: str, begins: bytes = b"{[") -> Unavailable | None:
    """The error of an answer with status 200 that begins with none of these characters; else None.

    HTML of an outage or a shutdown notice, plain text, and an empty body are no data. The content type is
    not asked: notices come with that of the data.
    """
    head = answer.head(200).removeprefix(b"\xef\xbb\xbf").lstrip()
    if answer.status != 200 or head[:1] in (begins[place : place + 1] for place in range(len(begins))):
        return None
    what = "a page of HTML" if head.startswith(b"<") else repr(head.decode(errors="replace"))
    return Unavailable(f"{title} answers with {what} instead of data, as in an outage")


def short_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of a short answer, as errors are, with status 200 too; empty for any other answer."""
    if answer.size > SHORT:
        return {}
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def beginning(answer: Answer) -> str:
    """What a person reads where the answer is not in the provider's own form."""
    return " ".join(answer.head(500).decode(errors="replace").split())
