"""Alerts for policies that only look on: what is one, when it fires, when it resolves, and what it says."""
