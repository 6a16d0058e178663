"""Measured comparisons; not tests."""
