"""Generated eGRID-shaped input with the quirks of real files, for demonstrations, tests and benchmarks."""

from headgate.sample.rows import Truth
from headgate.sample.spec import Spec
from headgate.sample.writers import write_sample

__all__ = ["Spec", "Truth", "write_sample"]
