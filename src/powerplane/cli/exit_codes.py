"""What the program's exit tells a script."""

OK = 0
"""All budgets hold, after the plan."""

ERROR = 1
"""Something in the input, the cluster or the program is wrong."""

USAGE = 2
"""The command line is wrong."""

OVERLOADED = 3
"""Budgets are broken: now, or by every plan."""

FAULTY = 3
"""What was checked, a configuration or telemetry, would not hold the budgets."""

INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT, as shells count."""

BROKEN_PIPE = 141
"""The reader of stdout went away: 128 + SIGPIPE."""
