"""What stands where data should: HTML of an outage or a shutdown notice, plain text, some with status 200."""

from __future__ import annotations

from headgate.sources.model import Answer, Unavailable


def not_data(answer: Answer, title: str, begins: bytes = b"{[") -> Unavailable | None:
    """The error of an answer with status 200 that begins with none of these characters; else None.

    An empty body is no data either. The content type is not asked: notices come with that of the data.
    """
    head = answer.head(200).removeprefix(b"\xef\xbb\xbf").lstrip()
    if answer.status != 200 or head[:1] in (begins[place : place + 1] for place in range(len(begins))):
        return None
    what = "a page of HTML" if head.startswith(b"<") else repr(head.decode(errors="replace"))
    return Unavailable(f"{title} answers with {what} instead of data, as in an outage")
