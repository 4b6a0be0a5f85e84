"""The exception of this package for mistakes of a user."""


class ModelError(Exception):
    """A model setting or a weights file is invalid. The message says what was received and what is allowed."""
