"""Alerts: what is wrong now, who should hear of it, and what people did about it."""
