"""Answering over HTTPS what the control plane asks: listening, certificates, bounds on every request."""
