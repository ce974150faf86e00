"""Alerts of policies that may not act."""
