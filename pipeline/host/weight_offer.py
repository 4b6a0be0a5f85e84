"""What is known of weights that can be had, and of where they come from."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """Weights that a recipe can name.

    Attributes:
        names: What `segline weights fetch` calls them, the first name first.
        backbone: The value of `model.options.backbone` that they are for; of a whole network, `model.options.preset`.
        weights: The value of `model.options.weights` that names them; "" of a whole network.
        licence: Theirs.
        megabytes: Size of the download in 10^6 bytes.
        top1: Published accuracy on ImageNet in percent; None: they classify nothing.
        is_here: Whether they are on this machine.
    """

    names: tuple[str, ...]
    backbone: str
    weights: str
    licence: str
    megabytes: int
    top1: float | None
    is_here: bool

    @property
    def options(self) -> str:
        """The `model.options` that name them, as a recipe spells it."""
        if not self.weights:
            return f"{{preset: {self.backbone}}}"
        return f"{{backbone: {self.backbone}, weights: {self.weights}}}"


@dataclass(frozen=True)
class Source:
    """A place from which weights come.

    Attributes:
        title: Where that is, for people: the heading of its rows.
        note: What else is to be known, under its rows; "": nothing.
        offers: Lists what it has. Imports no TensorFlow.
        plan: Says in a line what fetching an offer does.
        fetch: Fetches an offer onto this machine; raises UserError or ModelError where it cannot.
    """

    title: str
    note: str
    offers: Callable[[], list[Offer]]
    plan: Callable[[Offer], str]
    fetch: Callable[[Offer], None]
