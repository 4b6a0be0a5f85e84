"""The network that a training begins with: as the recipe's model says, or the whole of one that was trained before."""

from typing import TYPE_CHECKING

from models import catalog, weights
from models.errors import ModelError
from pipeline.config.recipe import Recipe

if TYPE_CHECKING:
    import keras


def build(config: Recipe, num_classes: int, *, synchronized: bool = False) -> "tuple[keras.Model, str]":
    """Build a recipe's network, with the weights that it begins with.

    Where `train.begin_with` names a file, what `model.options` would begin with is not fetched: all of it is replaced.

    Args:
        config: Its sections model and train.
        num_classes: Classes of the dataset.
        synchronized: See models.catalog.build.

    Returns:
        The network with its auxiliary heads, and what it took from that file, in words; "" without one.

    Raises:
        ModelError: The weights cannot be had, are damaged, or are of another network.
    """
    name, options, path = config.model.name, config.model.options, config.train.begin_with
    if path is None:
        return catalog.build(name, num_classes, options, synchronized=synchronized), ""
    model = catalog.build(name, num_classes, catalog.untrained(name, options), synchronized=synchronized)
    try:
        left = weights.begin(model, path, num_classes)
    except ModelError as error:
        raise ModelError(f"train.begin_with: {error}") from error
    layers = dict.fromkeys(weight.rpartition("/")[0] for weight in left)
    total = len(model.weights)
    taken = f"{total - len(left)} of {total} arrays; as drawn: {', '.join(layers)}" if left else f"all {total} arrays"
    return model, f"begins with {path}: {taken}"
