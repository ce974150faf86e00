"""``python -m powerplane.bench``."""

import sys

from powerplane.bench.run import main

if __name__ == "__main__":
    sys.exit(main())
