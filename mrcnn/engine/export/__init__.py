"""The model as a file that other programs run: SavedModel, ONNX, TFLite, .keras."""
