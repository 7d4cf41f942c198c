"""The model as a file that other programs run.

A SavedModel runs wherever TensorFlow is, without this package:

    loaded = tf.saved_model.load("exported")
    found = loaded.detect(image)  # uint8 [H, W, C] of any size

`found` is a dict: "boxes" [N, (y1, x1, y2, x2)] int32 pixels of the image, y2/x2 exclusive;
"class_ids" [N] int32; "scores" [N] float32; "masks" [N, H, W] bool; best score first. Keep
`loaded` in a variable, it holds the weights. It may be called from several threads.
`loaded.detect_batch(images)` takes [B, H, W, C] and answers the same with a first axis of B, and
"counts" [B]. Both are signatures, too: "detect" and "serving_default". Class names and
configuration lie in the folder, in `mrcnn.json`.

An ONNX file takes "image" as `detect` does, and has the four outputs by name; class names and
configuration are in its metadata, under "mrcnn":

    session = onnxruntime.InferenceSession("model.onnx")
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"image": image})))

A TFLite file takes images of one size, resized and padded as its description says;
`mrcnn.results.exported` does that, and turns its answer into a Result. A `.keras` file holds the
network alone, as `MaskRCNN.keras_model` is, for `keras.models.load_model` in a program that has
imported `mrcnn.model`, where its layers are.
"""
