"""What an object store publishes about its buckets."""

from __future__ import annotations

import json
from urllib.parse import quote_plus


def notification(bucket: str, *keys: str, name: str = "s3:ObjectCreated:Put") -> bytes:
    """As MinIO publishes it; it sends one record a message, the form allows many."""
    records = [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "eventName": name,
            "s3": {
                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {"key": quote_plus(key), "size": 5, "eTag": "abc", "sequencer": "18"},
            },
        }
        for key in keys
    ]
    return json.dumps({"EventName": name, "Key": f"{bucket}/{keys[0]}", "Records": records}).encode()
