"""The private stack as users start it, with an Airflow that reads other DAGs: for benchmarks and tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headgate.stack import Stack
from headgate.stack.programs import Program


class OwnDags(Stack):
    """Airflow reads the DAGs that stand in the stack's home, not the project's."""

    @property
    def dags(self) -> Path:
        return self.layout.home / "dags"

    def airflow_settings(self) -> dict[str, str]:
        """Variables of Airflow's processes that differ from those of the stack of users."""
        return {"AIRFLOW__CORE__DAGS_FOLDER": str(self.dags)}

    def programs(self) -> list[Program]:
        """The same programs, those of Airflow with these settings."""
        own = self.airflow_settings()
        return [
            replace(program, environment={**program.environment, **own})
            if program.name.startswith("airflow")
            else program
            for program in super().programs()
        ]
