"""The reference page of the command line, written from the commands themselves."""

import sys
from pathlib import Path

from powerplane.cli.main import build_app

HEAD = """<!-- Written by `make docs` from the program; changes here are lost. -->
"""

TAIL = """
## Durations

`30s`, `2m`, `500ms`, `1h`, or bare seconds; above zero.

## Exit codes

| code | meaning |
|---|---|
| 0 | all budgets hold, after the plan |
| 1 | something in the input, the cluster or the program is wrong |
| 2 | the command line is wrong |
| 3 | budgets are broken now (`top`), or no plan mends all of them; or what was checked would not hold them |
| 130 | interrupted (Ctrl-C), but for `top` on a terminal: 0 |
| 141 | the reader of stdout went away |

## Streams and environment

Data goes to stdout; progress, warnings and errors go to stderr. An error names the object and the value, and says
after `next:` what to do.

| variable | effect |
|---|---|
| `NO_COLOR` | no colours |
| `POWERPLANE_DEBUG` | an unexpected error shows its traceback |
| `KUBECONFIG` | kubeconfig files, as for kubectl |
"""


def reference_page() -> str:
    """Return the page as Markdown."""
    body = build_app().generate_docs(output_format="markdown", recursive=True)
    lines = [line.rstrip() for line in body.strip().splitlines()]
    return HEAD + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
