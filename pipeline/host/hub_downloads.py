"""Presets of KerasHub: whole networks, which KerasHub downloads once from kaggle.com."""

from models import hub_presets
from models.hub_presets import INSTALL, PUBLISHED
from pipeline.console.quiet import quiet
from pipeline.host.weight_offer import Offer, Source

BYTES = 4
"""Of a weight."""


def offers() -> list[Offer]:
    """List the presets that models.hub_presets knows."""
    return [
        Offer(
            names=(name,),
            backbone=name,
            weights="",
            licence=preset.licence,
            megabytes=round(preset.millions * BYTES),
            top1=None,
            is_here=(hub_presets.stored(name) / "config.json").is_file(),
        )
        for name, preset in PUBLISHED.items()
    ]


def plan(offer: Offer) -> str:
    """Name the folder into which KerasHub downloads a preset."""
    return f"download {hub_presets.stored(offer.backbone)}"


def fetch(offer: Offer) -> None:
    """Let KerasHub download a preset, and check that it is whole.

    Raises:
        ModelError: KerasHub is not installed, or the preset cannot be loaded.
    """
    with quiet():
        from models import catalog
    catalog.build("keras_hub", 1, {"preset": offer.backbone})


SOURCE = Source(
    title=f"KerasHub's segmenters, `model: {{name: keras_hub}}`: {INSTALL}",
    note="NVIDIA's licence allows research and evaluation: github.com/NVlabs/SegFormer",
    offers=offers,
    plan=plan,
    fetch=fetch,
)
