"""Weights files of torchvision and detectron2, read without torch and without running them."""
