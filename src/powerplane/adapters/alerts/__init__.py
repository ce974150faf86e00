"""Where alerts go, and the outbox that gets them there."""
