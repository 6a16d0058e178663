"""What a person does about failed messages: look, mend the cause, send them again, or dismiss them."""

from headgate.replay.desk import Decision, Desk, Order, Tally, opened_desk
from headgate.replay.errors import OPEN, STATES, Error, actions_on, counts, errors, get_error
from headgate.replay.where import Where

__all__ = [
    "OPEN",
    "STATES",
    "Decision",
    "Desk",
    "Error",
    "Order",
    "Tally",
    "Where",
    "actions_on",
    "counts",
    "errors",
    "get_error",
    "opened_desk",
]
