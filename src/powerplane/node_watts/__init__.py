"""Watts as an extended resource: what each node advertises, shifted so that every budget above it holds."""
