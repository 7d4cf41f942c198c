"""Keras layers of Mask R-CNN. Constructors take plain numbers; see each file's shape notes."""
