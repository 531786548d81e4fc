"""`python -m gounicorn`."""

from gounicorn._launcher import main

if __name__ == "__main__":
    main()
