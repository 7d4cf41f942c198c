"""How good detections are: matching, the COCO numbers, and everything of an Evaluation."""
