"""Importing geometry and evaluation stays cheap."""

import subprocess
import sys

HEAVY = ("tensorflow", "keras", "skimage", "scipy", "matplotlib", "cv2", "pycocotools")
PROGRAM = """
import sys
from mrcnn.evaluation import coco, matching
from mrcnn.geometry import anchors, boxes, masks, molding, resize
print(sorted(set({heavy}) & set(sys.modules)))
"""


def test_no_heavy_module_is_imported():
    program = PROGRAM.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
