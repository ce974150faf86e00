"""A day of a recorded LLM trace under one power budget, beside no control, static limits and a person."""
