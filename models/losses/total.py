"""The loss of a training: the weighted sum of several losses, over a network's own logits and its auxiliary heads."""

import math
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
        logit_adjustment: Share, in 0..1, of log(class weight) that is added to the logits before a loss over pixels
            sees them. What cross-entropy learns under weights w is proportional to w times the data's own frequencies;
            with the whole logarithm in the loss, the network's own logits are those of the frequencies again. So
            weights quicken the learning of rare classes without answering them too often (cf. Menon et al. 2021,
            "Long-tail learning via logit adjustment", which goes the other way). A loss over regions weighs each class
            as a whole and moves no border: it sees the logits as they are. A class of weight 0 is not shifted.
        label_smoothing: See target.make.
    """

    def __init__(
        self,
        terms: catalog.Terms = DEFAULT,
        *,
        class_weights: Sequence[float] | None = None,
        logit_adjustment: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        catalog.check(terms)
        self._terms: dict[str, tuple[float, Callable[[tf.Tensor, Target], Sums]]] = {}
        for name, term in terms.items():
            weight, options = catalog.split(term)
            loss = getattr(pixels, name, None) or getattr(regions, name)
            self._terms[name] = weight, partial(loss, **options)
        self._class_weights, self._label_smoothing = class_weights, label_smoothing
        self._shift = None
        if class_weights is not None and logit_adjustment:
            self._shift = [logit_adjustment * math.log(weight) if weight else 0.0 for weight in class_weights]

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
        parts = {name: (weight, self._sums(name, logits, truth)) for name, (weight, _) in self._terms.items()}
        for head, found in auxiliary.heads(outputs).items():
            for name, (weight, _) in self._terms.items():
                parts[f"{head}/{name}"] = auxiliary.WEIGHT * weight, self._sums(name, found, truth)
        return parts

    def _sums(self, name: str, logits: tf.Tensor, truth: Target) -> Sums:
        _, loss = self._terms[name]
        if self._shift is not None and hasattr(pixels, name):
            logits = tf.cast(logits, tf.float32) + tf.constant(self._shift, tf.float32)
        return loss(logits, truth)


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
