"""Certificates of the webhook: who makes them, who trusts them, and when one follows another."""
