"""From records to batches: read, decoded, cached, shuffled, changed at random."""
