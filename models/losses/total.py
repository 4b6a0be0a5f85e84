"""The training loss: the weighted sum of several losses, over a network's main logits and its auxiliary heads."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from models import auxiliary
from models.losses import catalog, pixels, regions, target
from models.losses.target import Sums, Target

Parts = dict[str, tuple[float, Sums]]
"""{"cross_entropy": (weight in the total, sums), ..., "<head>/cross_entropy": ...}."""

DEFAULT: catalog.Terms = {"cross_entropy": 1.0}


class Total:
    """The weighted sum of several losses, as the sums of each part.

    Args:
        terms: The losses, their weights and parameters.
        class_weights: Float [C] >= 0; None: all 1.
        logit_adjustment: Share, in 0..1, of log(class weight) that losses over pixels add to the logits. Under weights
            w, cross-entropy learns probabilities proportional to w times the class frequencies; with the whole
            logarithm added in the loss, the network's logits follow the frequencies again. So weights speed up the
            learning of rare classes without predicting them too often (cf. Menon et al. 2021, "Long-tail learning via
            logit adjustment", which adjusts in the other direction). Losses over regions get the logits unchanged: they
            weight a class as a whole, which shifts no boundary. A class of weight 0 is not shifted.
        label_smoothing: Share of the truth, in 0..1, spread evenly over all classes.

    Raises:
        ModelError: A loss or a parameter is unknown or invalid.
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
        """Compute the sums of every part, for each loss and each head.

        Args:
            outputs: Logits float [B,H,W,C], or a dictionary of them with auxiliary heads.
            labels: Integers [B,H,W] in 0..C-1, or 255 for ignored pixels.
            pixel_weights: Float [B,H,W] >= 0; None: all 1.
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
        for head, head_logits in auxiliary.heads(outputs).items():
            for name, (weight, _) in self._terms.items():
                parts[f"{head}/{name}"] = auxiliary.WEIGHT * weight, self._sums(name, head_logits, truth)
        return parts

    def _sums(self, name: str, logits: tf.Tensor, truth: Target) -> Sums:
        _, loss = self._terms[name]
        if self._shift is not None and hasattr(pixels, name):
            logits = tf.cast(logits, tf.float32) + tf.constant(self._shift, tf.float32)
        return loss(logits, truth)


def combine(parts: Parts, weights: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Divide each part's sum by its weight, and add the parts up.

    Args:
        parts: The parts of one replica.
        weights: Each part's sum of weights over all replicas, float32 scalars.

    Returns:
        {"loss": this replica's share of the loss} and, if there are several parts, "loss/<part>": each part's share.
        The shares of all replicas add up to the loss. A part without counted pixels is 0.
    """
    shares = {
        f"loss/{name}": factor * tf.math.divide_no_nan(total, weight)
        for (name, (factor, (total, _))), weight in zip(parts.items(), weights, strict=True)
    }
    loss = tf.add_n(list(shares.values()))
    return {"loss": loss} if len(shares) == 1 else {"loss": loss, **shares}
