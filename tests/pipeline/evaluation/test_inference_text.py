"""Words for how an evaluation ran the model on an image."""

import pytest

from pipeline.evaluation.inference_text import describe


@pytest.mark.parametrize(
    ("inference", "text"),
    [
        ({}, "the whole image at once"),
        (
            {"inference": "sliding", "window": [64, 96], "overlap": 0.5, "scales": [0.5, 1.0], "flip": True},
            "in windows of 64 x 96, overlapping by 50%, averaged over zooms 0.5, 1 and mirror images",
        ),
        ({"inference": "whole", "scales": [1.0], "flip": True}, "the whole image at once, averaged over mirror images"),
    ],
)
def test_inference_is_described_in_words(inference, text):
    assert describe(inference) == text
