"""Measured comparisons; not tests.

Common: ``harness`` (workloads, lines, measures), ``meter``, ``bench`` (servers, tables, proof), ``shapes``
and ``rows`` (the files), ``report``, ``picture``. Lines: ``psql``, ``consumers`` on ``road``, ``whole_dag``,
``competitors``; ``plan`` says which are measured with which workloads. No loads: ``growth``
(``control_plane`` with ``history`` and ``rehearsal``, ``bucket``, ``dag_files``) and ``latency``.
``one_bad_row`` stands by itself.
"""
