"""`python -m linernotes` is the command line."""

from linernotes.cli import main

if __name__ == "__main__":
    main()
