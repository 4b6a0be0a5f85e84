"""Losses. Each returns a weighted sum and the sum of the weights; both add up over the parts of a batch.

The trainer adds both over all replicas and divides one by the other. With ignored pixels, weights and uneven batches
the loss is then the same as on one device, however a batch is split.
"""
