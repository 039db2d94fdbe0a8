"""What ends a benchmark early, with a sentence for the person at the terminal."""


class Failure(Exception):
    """Something failed while measuring: exit status 1."""


class Misuse(Exception):
    """The command line cannot be meant: exit status 2."""
