"""The watch: looks at freshness, queues and parking, and tells of each thing that is wrong once."""

from headgate.watch.watch import Watch

__all__ = ["Watch"]
