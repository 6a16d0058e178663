"""Forks that end with the process they were forked from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.polling import eventually

# A scheduler, its worker, its task, and a program of the task; each says its process id and waits.
FAMILY = """
import multiprocessing, os, signal, subprocess, sys
from headgate.airflow_ext.lifeline import tie_forks

def say(who, pid):
    os.write(1, f"{who} {pid}\\n".encode())

def worker():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        say("task", os.getpid())
        say("program", subprocess.Popen(["sleep", "600"]).pid)
    else:
        say("worker", os.getpid())
    signal.pause()

tie_forks()
multiprocessing.get_context("fork").Process(target=worker).start()
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="by a call of Linux")
def test_workers_and_tasks_end_with_a_killed_scheduler_and_programs_of_tasks_are_left_alone() -> None:
    scheduler = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True)
    assert scheduler.stdout is not None
    pids = dict(scheduler.stdout.readline().split() for _ in range(3))

    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait()

    eventually(lambda: not any(alive(int(pids[name])) for name in ("worker", "task")))
    assert alive(int(pids["program"]))
    os.kill(int(pids["program"]), signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether it runs: one that ended and that nobody has asked for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
