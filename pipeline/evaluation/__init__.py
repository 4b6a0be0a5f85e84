"""Evaluation of a model: scoring, metrics, protocols, intervals, comparison, the gate."""
