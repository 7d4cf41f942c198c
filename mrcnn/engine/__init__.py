"""Weights, checkpoints, training and inference: what happens around the network."""
