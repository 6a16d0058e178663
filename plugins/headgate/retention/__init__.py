"""Retention: what is settled is pruned after its time, by the rules of settings and contracts."""

from headgate.retention.pruning import KINDS, prune
from headgate.retention.rules import rules_of

__all__ = ["KINDS", "prune", "rules_of"]
