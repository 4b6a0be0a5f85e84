"""The one exception of this package that a user can cause."""


class ModelError(Exception):
    """A model setting or a weights file is not as it must be. The text says what was received and what is allowed."""
