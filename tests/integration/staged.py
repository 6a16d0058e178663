"""Objects in the ledger at any stage, without store and broker: what steps and consumer would record."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, UUID, uuid5

from headgate import ledger, receipts
from headgate.db import transaction
from headgate.ledger import (
    BatchRef,
    ChunkWork,
    ObjectVersion,
    PlannedChunk,
    Run,
    StagedBatch,
    StagedCounts,
)
from headgate.listing import StoredObject

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

DATASET = "plants"
BUCKET = "landing"
START = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = ("id", "name")


def listed(name: str, *, etag: str = "e1", minute: int = 0, size: int = 100) -> StoredObject:
    """An object of the dataset as a store lists it."""
    return StoredObject(BUCKET, f"{DATASET}/{name}", etag, size, START + timedelta(minutes=minute))


@dataclass
class Road:
    """Records what the steps record, as the pipeline, and what the consumer records, as the loader."""

    pipeline: Connection
    loader: Connection
    runs: int = field(default=0)

    def run(self, dag_run_id: str | None = None, *, contract_version: int = 1) -> Run:
        self.runs += 1
        return ledger.open_run(
            self.pipeline,
            dataset=DATASET,
            dag_run_id=dag_run_id or f"manual__{self.runs}",
            contract_version=contract_version,
        )

    def record(self, run: Run, *found: StoredObject, **options: bool) -> list[ObjectVersion]:
        ledger.record_objects(self.pipeline, run, BUCKET, found, **options)
        return ledger.objects_of_run(self.pipeline, run.run_id, ["found"])

    def inspect(
        self, found: ObjectVersion, *, chunks: Sequence[int] = (5,), sha256: str | None = None
    ) -> ObjectVersion:
        """Cut into chunks of so many records."""
        first = 1
        plans = []
        for ordinal, size in enumerate(chunks):
            source = {"bucket": BUCKET, "key": found.key, "offset": 10 * ordinal, "length": 10}
            plans.append(PlannedChunk(ordinal, source, first, first + 1, size))
            first += size
        ledger.plan_chunks(self.pipeline, found.object_id, plans)
        inspection = {"format": "csv", "delimiter": ",", "encoding": "utf-8", "header": list(HEADER)}
        inspection["columns"] = {name: place for place, name in enumerate(HEADER)}
        return ledger.record_inspection(
            self.pipeline, found.object_id, sha256=sha256 or f"sha of {found.etag}", inspection=inspection
        )

    def stage(self, chunk: ChunkWork, *, rejected: int = 0, batches: int = 1, again: bool = False) -> None:
        """The last `rejected` records are bad; the others go into so many batches."""
        accepted = chunk.records - rejected
        sizes = [accepted // batches + (1 if place < accepted % batches else 0) for place in range(batches)]
        row = chunk.first_row
        made = []
        for ordinal, size in enumerate(size for size in sizes if size):
            message_id = batch_id(chunk.object_id, chunk.ordinal, ordinal)
            made.append(StagedBatch(message_id, ordinal, 0, size, size, row, row + size - 1, "digest"))
            row += size
        counts = StagedCounts(chunk.records, 0, accepted, rejected, {"type": rejected} if rejected else {})
        assert ledger.record_staged(self.pipeline, chunk.chunk_id, counts, made, again=again)

    def rejects(self, object_id: int) -> bytes:
        """The rejected rows of the object's staged chunks, as the gate hands them on."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        for chunk in ledger.chunks_of(self.pipeline, object_id):
            for place in range(chunk.rows_rejected):
                row = chunk.first_row + chunk.records - 1 - place
                fault = (
                    f'[{{"rule": "type", "column": "name", "value": "x", "reason": "not a name, row {row}"}}]'
                )
                writer.writerow(
                    (
                        chunk.chunk_id,
                        row,
                        row + 1,
                        "type",
                        "name",
                        "x",
                        f"not a name, row {row}",
                        f"{row},x",
                        fault,
                    )
                )
        return out.getvalue().encode()

    def publish(
        self, found: ObjectVersion, *, rejected: int = 0, batches: int = 1, chunks: Sequence[int] = (5,)
    ) -> None:
        """From found to published; `rejected` rows of each chunk are bad."""
        if found.state == "found":
            assert self.inspect(found, chunks=chunks).state == "inspected"
        for chunk in ledger.chunks_of(self.pipeline, found.object_id):
            self.stage(chunk, rejected=rejected, batches=batches)
        ledger.mark_validated(self.pipeline, found.object_id)
        assert ledger.publish_object(self.pipeline, found.object_id, [self.rejects(found.object_id)])

    def apply(
        self, batch: BatchRef, counts: receipts.Counts, refused: Sequence[receipts.RefusedRow] = ()
    ) -> bool:
        """What a consumer's transaction leaves behind; False when the message was applied before."""
        with transaction(self.loader) as cursor:
            receipts.lock_datasets(cursor, [DATASET])
            place = {"object_id": batch.object_id, "chunk_id": batch.chunk_id}
            claimed = receipts.claim(cursor, message_id=batch.message_id, consumer="test", **place)
            if claimed:
                receipts.quarantine_rows(
                    cursor, dataset=DATASET, message_id=batch.message_id, rows=refused, **place
                )
                receipts.close(cursor, batch.message_id, counts)
        return claimed

    def load(self, run: Run) -> None:
        """Stream and apply all of the run's batches: every row inserted."""
        batches = list(ledger.batches_to_stream(self.pipeline, run.run_id, 0, 1))
        ledger.mark_streamed(self.pipeline, [batch.message_id for batch in batches])
        for batch in batches:
            counts = receipts.Counts(batch.rows, inserted=batch.rows)
            self.apply(batch, counts)
        ledger.mark_loaded(self.pipeline, run.run_id)

    def loaded(self, *found: StoredObject, rejected: int = 0) -> tuple[Run, list[ObjectVersion]]:
        """A finished run that loaded these objects."""
        run = self.run()
        for recorded in self.record(run, *found):
            self.publish(recorded, rejected=rejected)
        self.load(run)
        ledger.finish_run(self.pipeline, run.run_id, "success")
        return run, ledger.objects_of_run(self.pipeline, run.run_id)

    def states(self, run: Run) -> dict[str, str]:
        """State of each of the run's objects by key."""
        return {found.key: found.state for found in ledger.objects_of_run(self.pipeline, run.run_id)}


def batch_id(object_id: int, chunk: int, batch: int) -> UUID:
    """A message's deterministic id."""
    return uuid5(NAMESPACE_OID, f"{object_id}/{chunk}/{batch}")
