"""Datasets, ground truth, augmentation, targets and the feeds made of them.

Everything but `training_feed` is numpy alone.
"""
