"""The embedded stack: private servers, Airflow and consumers under one home folder, kept by supervisord."""

from headgate.stack.runner import Part, Stack

__all__ = ["Part", "Stack"]
