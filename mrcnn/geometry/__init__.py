"""Boxes, anchors, resizing, masks and molding on numpy arrays: no Keras and no Config in here."""
