"""The scheduler extender: answers the scheduler's questions about new pods."""
