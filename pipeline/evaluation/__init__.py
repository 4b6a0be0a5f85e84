"""What a model is worth: figures, protocols, intervals, comparisons, the gate."""
