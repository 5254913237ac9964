"""`python -m diffnet` is the command `diffnet`."""

from .cli import main

if __name__ == "__main__":
    main()
