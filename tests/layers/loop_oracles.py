"""Slow, plain loops in numpy that say what the layers must answer."""

import numpy as np

F = np.float32


def random_boxes(rng, *shape, low=0.05, high=0.5):
    """Boxes [*shape, 4] inside the unit square, sides between low and high."""
    sides = rng.uniform(low, high, (*shape, 2))
    corner = rng.uniform(0, 1, (*shape, 2)) * (1 - sides)
    return np.concatenate([corner, corner + sides], axis=-1).astype(F)


def area(box):
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def iou(a, b):
    height = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    width = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = area(a) + area(b) - height * width
    return height * width / union if height * width > 0 else 0.0


def ranked(scores):
    """Places in falling order of score; of equal scores the first comes first."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


def greedy_nms(boxes, scores, threshold):
    """Places of the kept boxes, best first."""
    keep = []
    for i in ranked(scores):
        if all(iou(boxes[i], boxes[j]) <= threshold for j in keep):
            keep.append(i)
    return keep


def move(box, delta):
    """One box moved by one delta."""
    height, width = box[2] - box[0], box[3] - box[1]
    center_y = box[0] + height / 2 + delta[0] * height
    center_x = box[1] + width / 2 + delta[1] * width
    height, width = height * np.exp(delta[2]), width * np.exp(delta[3])
    return np.array([center_y - height / 2, center_x - width / 2,
                     center_y + height / 2, center_x + width / 2], F)


def delta_between(box, goal):
    """The delta that moves `box` onto `goal`."""
    size = np.array([box[2] - box[0], box[3] - box[1]])
    goal_size = np.array([goal[2] - goal[0], goal[3] - goal[1]])
    shift = (goal[:2] + goal_size / 2 - box[:2] - size / 2) / size
    return np.concatenate([shift, np.log(goal_size / size)]).astype(F)


def clip(box, window):
    y1, x1, y2, x2 = window
    return np.array([min(max(box[0], y1), y2), min(max(box[1], x1), x2),
                     min(max(box[2], y1), y2), min(max(box[3], x1), x2)], F)


def padded(rows, count, width):
    """[count, width]: the first rows, zeros behind."""
    result = np.zeros((count, width), F)
    for i, row in enumerate(rows[:count]):
        result[i] = row
    return result


def positions(low, high, size, count):
    """Sample places in pixels from edge to edge; a single one lies in the middle."""
    if count == 1:
        return [0.5 * (low + high) * (size - 1)]
    step = (high - low) * (size - 1) / (count - 1)
    return [low * (size - 1) + i * step for i in range(count)]


def bilinear(image, y, x):
    """Value [C] of an image [H, W, C] at a place; zeros outside."""
    height, width, channels = image.shape
    if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
        return np.zeros(channels)
    top, left = int(np.floor(y)), int(np.floor(x))
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * image[top, left] + dx * image[top, right]
    lower = (1 - dx) * image[bottom, left] + dx * image[bottom, right]
    return (1 - dy) * upper + dy * lower


def crop(image, box, shape):
    """[h, w, C] out of an image [H, W, C], corner to corner."""
    box = np.asarray(box, np.float64)
    ys = positions(box[0], box[2], image.shape[0], shape[0])
    xs = positions(box[1], box[3], image.shape[1], shape[1])
    return np.array([[bilinear(image, y, x) for x in xs] for y in ys])


def pyramid_level(box, image_shape):
    """FPN equation 1: 4 + log2(sqrt(area) / 224) in pixels, in 2..5."""
    size = np.sqrt(area(box)) * np.sqrt(image_shape[0] * image_shape[1])
    if size == 0:
        return 2
    return int(np.clip(4 + np.round(np.log2(size / 224.0)), 2, 5))
