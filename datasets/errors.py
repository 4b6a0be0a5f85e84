"""The exceptions of this package: one that a user can cause, and one that is a fault of ours."""


class DatasetError(Exception):
    """Raw data or a data setting is not as it must be. The text names the files, what is wrong and what to do."""


class ConversionError(Exception):
    """A worker or the runner failed, by a fault of Segline or of the machine. The text says at which file, if known."""
