"""The one exception of this package that a user can cause."""


class DatasetError(Exception):
    """Raw data or a data setting is not as it must be. The text names the files, what is wrong and what to do."""
