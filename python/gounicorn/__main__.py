"""`python -m gounicorn`."""

import sys

from gounicorn._launcher import main

if __name__ == "__main__":
    sys.exit(main())
