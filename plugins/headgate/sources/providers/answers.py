"""What answers have in common whoever gives them: notices where data should be, words of a refusal."""

from __future__ import annotations

from typing import Any

from headgate.sources.model import Answer, Rejected, Unavailable

SHORT = 16_384  # bytes; errors are no longer


def not_data(answer: Answer, title: str, *begins: bytes) -> Unavailable | None:
    """The error of an answer with status 200 that begins with none of these (``{`` and ``[``); else None.

    HTML of an outage or a shutdown notice, plain text, and an empty body are no data. The content type is
    not asked: notices come with that of the data.
    """
    head = answer.head(200).removeprefix(b"\xef\xbb\xbf").lstrip()
    if answer.status != 200 or head.startswith(begins or (b"{", b"[")):
        return None
    what = "a page of HTML" if head.startswith(b"<") else repr(head.decode(errors="replace"))
    return Unavailable(f"{title} answers with {what} instead of data, as in an outage")


def members(answer: Answer, title: str, place: str = "") -> int:
    """How many members the list at a place of a JSON answer has (``features``; empty: the answer itself).

    Raises ``Unavailable`` for broken JSON, and ``Rejected`` where there is no such list: who has nothing
    sends an empty one, so this is a failure told with status 200, or an API that has changed.
    """
    import ijson

    found, count, member = False, 0, f"{place}.item".lstrip(".")
    try:
        with answer.open() as body:
            for prefix, event, _ in ijson.parse(body):
                found = found or (prefix, event) == (place, "start_array")
                count += (prefix, event) == (member, "start_map")
    except ijson.JSONError as error:
        raise Unavailable(f"{title} answered with broken JSON: {error}") from None
    if not found:
        raise Rejected(f"{title} answers without a list of {place or 'records'}: {beginning(answer)}")
    return count


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
