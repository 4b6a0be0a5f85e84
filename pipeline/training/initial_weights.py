"""The network at the start of a training: with the weights of the recipe's model, or of an earlier training."""

from typing import TYPE_CHECKING

from models import catalog, weights
from models.errors import ModelError
from pipeline.config.recipe import Recipe

if TYPE_CHECKING:
    import keras


def build(config: Recipe, num_classes: int, *, synchronized: bool = False) -> "tuple[keras.Model, str]":
    """Build a recipe's network with its initial weights.

    Where `train.begin_with` names a file, the weights named in `model.options` are not downloaded: the file replaces
    them all.

    Args:
        config: Its sections model and train are used.
        num_classes: Number of classes of the dataset.
        synchronized: Whether batch normalisation is synchronised over devices, see models.catalog.build.

    Returns:
        The network with its auxiliary heads, and a line that says which arrays came from the file; "" without one.

    Raises:
        ModelError: The weights are not available, are damaged, or belong to another network.
    """
    name, options, path = config.model.name, config.model.options, config.train.begin_with
    if path is None:
        return catalog.build(name, num_classes, options, synchronized=synchronized), ""
    model = catalog.build(name, num_classes, catalog.with_random_weights(name, options), synchronized=synchronized)
    try:
        left = weights.load_matching(model, path, num_classes)
    except ModelError as error:
        raise ModelError(f"train.begin_with: {error}") from error
    layers = dict.fromkeys(weight.rpartition("/")[0] for weight in left)
    total = len(model.weights)
    taken = f"{total - len(left)} of {total} arrays; as drawn: {', '.join(layers)}" if left else f"all {total} arrays"
    return model, f"begins with {path}: {taken}"
