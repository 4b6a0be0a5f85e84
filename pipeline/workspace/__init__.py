"""The folder that holds everything runs make: its layout, locks, digests, fingerprints and the store of the lineage."""
