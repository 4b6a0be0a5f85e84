"""How images were looked at is said in words."""

import pytest

from pipeline.evaluation.inference_text import looked


@pytest.mark.parametrize(
    ("inference", "said"),
    [
        ({}, "the whole image at once"),
        (
            {"inference": "sliding", "window": [64, 96], "overlap": 0.5, "scales": [0.5, 1.0], "flip": True},
            "in windows of 64 x 96, 50% of one seen again in the next, averaged over zooms 0.5, 1 and mirror images",
        ),
        ({"inference": "whole", "scales": [1.0], "flip": True}, "the whole image at once, averaged over mirror images"),
    ],
)
def test_how_images_were_looked_at_is_said_in_words(inference, said):
    assert looked(inference) == said
