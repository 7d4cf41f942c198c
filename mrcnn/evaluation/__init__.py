"""How good detections are: matching and average precision, and the COCO numbers."""
