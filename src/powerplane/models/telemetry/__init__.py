"""Telemetry: what metrics mean, which samples to believe, and what each node draws by them."""
