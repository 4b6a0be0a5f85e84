"""Losses. Each gives a weighted sum and the sum of the weights; both add up over the parts of a batch.

The trainer divides the sums over all replicas by each other. So ignored pixels, weights and uneven batches give what
one device would give, whichever way a batch is shared out.
"""
