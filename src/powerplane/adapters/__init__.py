"""The world, one file a system."""
