"""The drills: real servers and processes are killed, stopped, cut off and filled up under load.

``python -m tests.faults --help``; what each drill does stands in docs/faults.md.
"""
