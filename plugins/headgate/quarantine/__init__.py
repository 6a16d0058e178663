"""The quarantine: bad rows with their reasons; to be looked at, mended and replayed, or dismissed."""

from headgate.quarantine.entry import (
    Entry,
    Filter,
    Origin,
    count,
    dismiss,
    entries,
    get_entry,
    origins,
    sentence,
)
from headgate.quarantine.outbox import Replayed, flush_replays, replay, replay_file

__all__ = [
    "Entry",
    "Filter",
    "Origin",
    "Replayed",
    "count",
    "dismiss",
    "entries",
    "flush_replays",
    "get_entry",
    "origins",
    "replay",
    "replay_file",
    "sentence",
]
