"""The loss of a training: the weighted sum of several losses, over a network's own logits and its auxiliary heads."""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from models import auxiliary
from models.losses import catalog, pixels, regions, target
from models.losses.target import Sums, Target

Parts = dict[str, tuple[float, Sums]]
"""{"cross_entropy": (its weight in the sum, its sums), ..., "<head>/cross_entropy": ...}."""

DEFAULT: catalog.Terms = {"cross_entropy": 1.0}


class Total:
    """Computes the sums of every part.

    Args:
        terms: The losses, their weights and parameters.
        class_weights: [C] weights >= 0; None: all 1.
        label_smoothing: See target.make.
    """

    def __init__(
        self,
        terms: catalog.Terms = DEFAULT,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        catalog.check(terms)
        self._terms: dict[str, tuple[float, Callable[[tf.Tensor, Target], Sums]]] = {}
        for name, term in terms.items():
            weight, options = catalog.split(term)
            loss = getattr(pixels, name, None) or getattr(regions, name)
            self._terms[name] = weight, partial(loss, **options)
        self._class_weights, self._label_smoothing = class_weights, label_smoothing

    def __call__(self, outputs: auxiliary.Outputs, labels: tf.Tensor, pixel_weights: tf.Tensor | None = None) -> Parts:
        """Compute the parts.

        Args:
            outputs: What the network returned: float [B,H,W,C], with auxiliary heads or without.
            labels: Integers [B,H,W] in 0..C-1, or 255 for pixels that do not count.
            pixel_weights: [B,H,W] weights >= 0; None: all 1.
        """
        logits = auxiliary.main(outputs)
        truth = target.make(
            labels,
            logits.shape[-1],
            class_weights=self._class_weights,
            pixel_weights=pixel_weights,
            label_smoothing=self._label_smoothing,
        )
        parts = {name: (weight, loss(logits, truth)) for name, (weight, loss) in self._terms.items()}
        for head, found in auxiliary.heads(outputs).items():
            for name, (weight, loss) in self._terms.items():
                parts[f"{head}/{name}"] = auxiliary.WEIGHT * weight, loss(found, truth)
        return parts


def combine(parts: Parts, weights: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Divide the sums and add them up.

    Args:
        parts: What one replica found.
        weights: The parts' sums of weights, over all replicas.

    Returns:
        {"loss": this replica's share of the loss, then each part's share of it if there are several}. A part in which
        nothing counts anywhere is 0.
    """
    shares = {
        f"loss/{name}": factor * tf.math.divide_no_nan(total, weight)
        for (name, (factor, (total, _))), weight in zip(parts.items(), weights, strict=True)
    }
    loss = tf.add_n(list(shares.values()))
    return {"loss": loss} if len(shares) == 1 else {"loss": loss, **shares}
