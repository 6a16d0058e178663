"""A scheduler's start where a library of the tasks cannot be imported. Prints JSON."""

from __future__ import annotations

import json
import sys

from headgate.airflow_ext.executor import preload

if __name__ == "__main__":
    sys.modules["great_expectations"] = None  # type: ignore[assignment]  # imports of it fail
    preload()
    print(json.dumps({"pandas": "pandas" in sys.modules}))
