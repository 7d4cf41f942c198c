"""The classes of COCO in the order of their ids: Matterport's, and torchvision's."""

COCO_NAMES = (
    "BG", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)

# Numbers of COCO's categories that no class has. torchvision counts classes by these numbers, so
# that its models have 91; Matterport's and detectron2's have 81, without gaps.
UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_rest = iter(COCO_NAMES[1:])
COCO_NAMES_91 = (COCO_NAMES[0], *(f"unused {number}" if number in UNUSED else next(_rest)
                                  for number in range(1, 91)))
