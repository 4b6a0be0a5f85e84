"""The input pipeline: records are read, decoded, cached, shuffled, augmented and batched."""
