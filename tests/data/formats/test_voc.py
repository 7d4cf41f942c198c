"""Pascal VOC: real layout, boxes of drawing tools, every fault, random mutations."""

import json
import random
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as rle

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.file_regions import VOID, LabelFile, leftover_values
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.formats.voc import VOC_CLASSES, matches, read_voc, subsets

WIDTH, HEIGHT = 60, 40
RNG = np.random.default_rng(1)
PALETTE = RNG.integers(0, 256, 768).tolist()


def entry(name="cat", box=(11, 6, 30, 25), more=""):
    """One <object>; `box` is (xmin, ymin, xmax, ymax) as in the file, or None."""
    corners = "" if box is None else "<bndbox>{}</bndbox>".format("".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box,
                                                        strict=True)))
    return f"<object><name>{name}</name>{more}{corners}</object>"


def xml(*objects, filename="", size=f"<width>{WIDTH}</width><height>{HEIGHT}</height>"):
    name = f"<filename>{filename}</filename>" if filename else ""
    size = f"<size>{size}<depth>3</depth></size>" if size else ""
    return f"<annotation><folder>VOC2012</folder>{name}{size}{''.join(objects)}</annotation>"


def labels_of(count, seed=0):
    """A label image of `count` rectangles with a seam of 255 around each."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    rng = np.random.default_rng(seed)
    for value in range(1, count + 1):
        y, x = rng.integers(0, HEIGHT - 16), rng.integers(0, WIDTH - 16)
        labels[y:y + 14, x:x + 14] = VOID
        labels[y + 1:y + 13, x + 1:x + 13] = value
    return labels


def write_labels(path, labels):
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def write_image(path, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


OBJECTS = {"2007_000032": [entry("aeroplane"), entry("person", more="<pose>Left</pose>"
                           "<truncated>1</truncated><difficult>0</difficult>"
                           "<part><name>head</name></part>")],
           "2007_000033": [entry("tvmonitor", more="<difficult>1</difficult>")],
           "2007_000039": [entry("cat"), entry("dog"), entry("cat")]}


def voc_set(folder):
    """VOCdevkit/VOC2012 of three images with masks and two lists; returns its path."""
    root = folder / "VOCdevkit" / "VOC2012"
    for seed, (stem, objects) in enumerate(OBJECTS.items()):
        write_text(root / "Annotations" / f"{stem}.xml", xml(*objects, filename=f"{stem}.jpg"))
        write_image(root / "JPEGImages" / f"{stem}.jpg")
        write_labels(root / "SegmentationObject" / f"{stem}.png", labels_of(len(objects), seed))
    lists = root / "ImageSets" / "Segmentation"
    write_text(lists / "train.txt", "2007_000032\n2007_000039 -1\n")
    write_text(lists / "val.txt", "2007_000033  1\r\n\r\n")
    write_text(root / "ImageSets" / "Main" / "cat_train.txt", "2007_000032 -1\n")
    return root


def read(path, classes=None, **options):
    dataset = AnnotatedDataset(classes)
    read_voc(dataset, path, **options)
    dataset.prepare()
    return dataset


def found(dataset):
    return [(one.kind, one.image, one.region) for one in dataset.findings]


@pytest.mark.parametrize("above", [0, 1, 2])
def test_masks_are_the_values_of_the_label_image(tmp_path, above):
    root = voc_set(tmp_path)
    dataset = read([root, root.parent, tmp_path][above])
    assert dataset.findings == []
    assert [info["id"] for info in dataset.image_info] == ["2007_000032", "2007_000039",
                                                           "2007_000033"]
    assert dataset.class_names == ["BG", *VOC_CLASSES]
    assert dataset.map_source_class_id("voc.20") == 20
    for image_id in dataset.image_ids:
        stem = dataset.image_info[image_id]["id"]
        labels = np.array(Image.open(root / "SegmentationObject" / f"{stem}.png"))
        names = [text.split("<name>")[1].split("<")[0] for text in OBJECTS[stem]]
        present = [n for n in range(1, len(names) + 1) if (labels == n).any()]
        mask, class_ids = dataset.load_mask(image_id)
        np.testing.assert_array_equal(mask, np.stack([labels == n for n in present], -1))
        assert [dataset.class_names[i] for i in class_ids] == [names[n - 1] for n in present]
        assert dataset.image_size(image_id) == dataset.load_image(image_id).shape[:2]
        assert leftover_values(*dataset.image_info[image_id]["label_image"]) == []


def test_lists_are_the_subsets(tmp_path):
    root = voc_set(tmp_path)
    assert subsets(tmp_path) == subsets(root) == ["train", "val"]
    assert len(read(root, subset="train").image_ids) == 2
    assert len(read(root, subset="val").image_ids) == 1
    with pytest.raises(DataError, match=r"expected one of \['train', 'val'\], received 'test'"):
        read(root, subset="test")
    shutil.rmtree(root / "ImageSets" / "Segmentation")
    write_text(root / "ImageSets" / "Main" / "trainval.txt", "2007_000032.jpg\n")
    assert subsets(root) == ["trainval"]
    assert len(read(root).image_ids) == 1


def test_what_else_the_xml_says_is_kept(tmp_path):
    dataset = read(voc_set(tmp_path), subset="train")
    assert dataset.instances(0)[1].more == {"truncated": 1, "difficult": 0, "pose": "Left",
                                            "parts": ["head"]}
    assert dataset.instances(0)[1].place == "object 2"
    json.dumps(dataset.instances(0)[1].more)


def test_difficult_objects_can_be_left_out_and_values_still_fit(tmp_path):
    root = voc_set(tmp_path)
    objects = [entry("cat", more="<difficult>1</difficult>"), entry("dog")]
    write_text(root / "Annotations" / "2007_000032.xml", xml(*objects))
    dataset = read(root, keep_difficult=False)
    assert [one.region.value for one in dataset.instances(0)] == [2]
    assert found(dataset) == [("entry-ignored", None, "")]
    assert "2 difficult objects" in dataset.findings[0].message


def test_classes_that_were_not_asked_for_are_counted(tmp_path):
    dataset = read(voc_set(tmp_path), classes=["cat", "dog"])
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert dataset.left_out == {"aeroplane": 1, "person": 1, "tvmonitor": 1}
    assert [one.region.value for one in dataset.instances(1)] == [1, 2, 3]


def test_other_classes_come_after_the_twenty(tmp_path):
    root = voc_set(tmp_path)
    write_text(root / "Annotations" / "2007_000033.xml", xml(entry("zebra"), entry("ant")))
    dataset = read(root)
    assert dataset.class_names == ["BG", *VOC_CLASSES, "ant", "zebra"]


def boxes_set(folder, layout="beside"):
    """Boxes of a drawing tool, without lists and label images."""
    images = folder / {"beside": "", "JPEGImages": "JPEGImages", "images": "images"}[layout]
    xmls = folder / {"beside": "", "JPEGImages": "Annotations", "images": "annotations"}[layout]
    write_image(images / "b.png")
    write_image(images / "a.png")
    write_text(xmls / "a.xml", xml(entry("wheel", (1, 1, 60, 40)), entry("arm", (3, 4, 5, 9))))
    write_text(xmls / "b.xml", xml(entry("arm", ("2.0", "3.5", "10.0", "8.25")), size=""))
    return folder


@pytest.mark.parametrize("layout", ["beside", "JPEGImages", "images"])
def test_boxes_alone_serve_as_masks_and_are_counted(tmp_path, layout):
    dataset = read(boxes_set(tmp_path, layout))
    assert dataset.class_names == ["BG", "arm", "wheel"]
    assert found(dataset) == [("box-only", None, "")]
    assert "3 objects of 2 images" in dataset.findings[0].message
    mask, class_ids = dataset.load_mask(0)
    expected = np.zeros((HEIGHT, WIDTH, 2), bool)
    expected[:, :, 0] = True  # 1 to 60 and 1 to 40, the last ones included
    expected[3:9, 2:5, 1] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(class_ids, [2, 1])
    assert dataset.instances(1)[0].region == Rectangle(1, 2.5, 9, 5.75)
    assert dataset.load_mask(1)[0].shape == (HEIGHT, WIDTH, 1)


@pytest.mark.parametrize(("xmls", "images"), [("Annotations", "JPEGImages"), ("annots", "images")])
def test_images_lie_beside_a_folder_of_xml(tmp_path, xmls, images):
    boxes_set(tmp_path / "set")
    for ending, name in (("xml", xmls), ("png", images)):
        (tmp_path / name).mkdir()
        for file in (tmp_path / "set").glob(f"*.{ending}"):
            file.rename(tmp_path / name / file.name)
    (tmp_path / "set").rmdir()
    for path in (tmp_path, tmp_path / xmls):
        dataset = read(path)
        assert found(dataset) == [("box-only", None, "")]
        assert dataset.image_reference(0) == str(tmp_path / images / "a.png")


def test_a_set_of_one_s_own_has_its_own_classes(tmp_path):
    root = voc_set(tmp_path)
    assert len(read(root).class_names) == 21
    (root / "labelmap.txt").write_text("person:::\ncat:::\n")
    assert set(read(root).class_names[1:]) < set(VOC_CLASSES)


def test_label_images_alone_say_what_to_do(tmp_path):
    root = voc_set(tmp_path)
    shutil.rmtree(root / "Annotations")
    assert matches(root)
    with pytest.raises(DataError, match="label images alone is not read, export it as COCO"):
        read(root)


def test_polygons_beside_the_boxes_are_the_masks(tmp_path):
    def numbered(points):
        return "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(points, 1))
    points = [(5.5, 6), (31, 6), (20, 30.25)]
    whole = entry(box=(5, 6, 31, 31)).replace(
        "</object>", f"<polygon>{numbered(points)}</polygon></object>")
    line = whole.replace(numbered(points), numbered(points[:2]))
    gap = whole.replace("y2>", "z2>")
    write_image(tmp_path / "a.png")
    write_text(tmp_path / "a.xml", xml(whole, line, gap))
    dataset = read(tmp_path)
    assert found(dataset) == [("outline-invalid", 0, "object 2"),
                              ("annotation-invalid", 0, "object 3")]
    outline = (np.array(points) - 1).ravel().tolist()  # VOC counts pixels from 1
    code = rle.merge(rle.frPyObjects([outline], HEIGHT, WIDTH))
    np.testing.assert_array_equal(dataset.load_mask(0)[0][:, :, 0], rle.decode(code) > 0)


def test_folders_of_xml_are_subsets_and_one_file_is_a_set(tmp_path):
    for name in ("train", "valid"):
        boxes_set(tmp_path / name)
    assert subsets(tmp_path) == ["train", "valid"]
    assert matches(tmp_path)
    assert len(read(tmp_path, subset="valid").image_ids) == 2
    with pytest.raises(DataError, match=r"several subsets: .*\['train', 'valid'\]"):
        read(tmp_path)
    one = read(tmp_path / "train" / "a.xml")
    assert [info["id"] for info in one.image_info] == ["a"]
    assert matches(tmp_path / "train" / "a.xml")


def test_images_can_lie_elsewhere(tmp_path):
    root = voc_set(tmp_path)
    (root / "JPEGImages").rename(tmp_path / "pictures")
    assert {one.kind for one in read(root).findings} == {"image-missing"}
    dataset = read(root, images=tmp_path / "pictures")
    assert dataset.findings == []
    assert dataset.load_image(0).shape == (HEIGHT, WIDTH, 3)


def test_images_without_xml_are_counted(tmp_path):
    write_image(boxes_set(tmp_path) / "c.png")
    dataset = read(tmp_path)
    assert [one.kind for one in dataset.findings] == ["box-only", "image-unannotated"]
    assert "1 images without an XML file, such as c.png" in dataset.findings[1].message


BOMB = ('<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
        "<annotation><filename>&b;</filename></annotation>")
OUTSIDE = ('<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
           "<annotation><filename>&a;</filename></annotation>")
GOOD = entry("dog")
BAD_OBJECT = [  # (the second object, kind)
    (entry(box=(30, 6, 11, 25)), "box-invalid"),
    (entry(box=(11, 6, 11, 25)), "box-invalid"),
    (entry(box=(11, 25, 30, 6)), "box-invalid"),
    (entry(box=(111, 6, 130, 25)), "outside-image"),
    (entry(box=(11, 6, 70, 25)), "outside-image"),
    (entry(box=(-20, 6, 30, 25)), "outside-image"),
    (entry(box=("nan", 6, 30, 25)), "annotation-invalid"),
    (entry(box=("inf", 6, 30, 25)), "annotation-invalid"),
    (entry(box=("9" * 5000, 6, 30, 25)), "annotation-invalid"),
    (entry(box=("", 6, 30, 25)), "annotation-invalid"),
    (entry(box=("left", 6, 30, 25)), "annotation-invalid"),
    ("<object><name>cat</name><bndbox/></object>", "annotation-invalid"),
    (entry(name=" "), "annotation-invalid"),
    ("<object/>", "annotation-invalid"),
    (entry(box=None), "annotation-invalid"),
]


@pytest.mark.parametrize(("bad", "kind"), BAD_OBJECT)
def test_a_bad_object_is_named_and_left_out(tmp_path, bad, kind):
    root = voc_set(tmp_path)
    file = root / "Annotations" / "2007_000039.xml"
    write_text(file, xml(GOOD, bad, GOOD))
    (root / "SegmentationObject" / "2007_000039.png").unlink()
    dataset = read(root)
    assert found(dataset)[:-1] == [(kind, 1, "object 2")]
    assert dataset.findings[0].file == str(file)
    assert [one.place for one in dataset.instances(1)] == ["object 1", "object 3"]
    assert dataset.load_mask(1)[0].shape == (HEIGHT, WIDTH, 2)


@pytest.mark.parametrize("box", [(0, 0, 59, 39), (1, 1, 62, 42), (-1, 0, 60, 40), None])
def test_rounding_at_the_border_and_masks_without_a_box_are_fine(tmp_path, box):
    root = voc_set(tmp_path)
    write_text(root / "Annotations" / "2007_000033.xml", xml(entry(box=box)))
    dataset = read(root)
    assert dataset.findings == []
    assert dataset.instances(2)[0].region == LabelFile(
        str(root / "SegmentationObject" / "2007_000033.png"), 1)


BAD_FILE = [  # (text of the XML, kind, region, part of the message)
    ("", "annotations-unreadable", "", "no element found"),
    (xml(GOOD)[:70], "annotations-unreadable", "", "no readable XML"),
    (BOMB, "annotations-unreadable", "", "entities"),
    (OUTSIDE, "annotations-unreadable", "", "entities"),
    (b"\xff\xfe\x00", "annotations-unreadable", "", "no readable XML"),
    ('<?xml version="1.0" encoding="klingon"?><annotation/>', "annotations-unreadable", "", ""),
    (xml(GOOD).encode().replace(b"dog", b"d\xffg"), "annotations-unreadable", "", "token"),
    ("<html/>", "annotations-unreadable", "", "expected <annotation>, received <html>"),
    ("<a>" * 100_000, "annotations-unreadable", "", ""),
    (xml(GOOD, filename="../../../secret.jpg"), "path-outside", "filename", "leads out"),
    (xml(GOOD, filename="..\\..\\..\\..\\secret.jpg"), "path-outside", "filename", "leads out"),
    (xml(GOOD, filename="http://example.com/a.jpg"), "path-outside", "filename", "address"),
    (xml(GOOD, size="<width>0</width><height>40</height>"), "annotation-invalid", "size", "0"),
    (xml(GOOD, size="<width>-60</width><height>40</height>"), "annotation-invalid", "size", "60"),
    (xml(GOOD, size="<width>60.5</width><height>40</height>"), "annotation-invalid", "size", ""),
    (xml(GOOD, size="<width>1e400</width><height>40</height>"), "annotation-invalid", "size", ""),
    (xml(GOOD, size="<width>9e5</width><height>9e5</height>"), "annotation-invalid", "size", ""),
    (xml(GOOD, size="<width>60</width>"), "annotation-invalid", "size", "height"),
    (xml(GOOD, size="<width>wide</width><height>40</height>"), "annotation-invalid", "size", ""),
]


@pytest.mark.parametrize(("text", "kind", "region", "message"), BAD_FILE)
def test_a_bad_file_is_a_finding_on_its_image(tmp_path, text, kind, region, message):
    root = voc_set(tmp_path)
    write_text(root / "Annotations" / "2007_000039.xml", text)
    dataset = read(root)
    assert found(dataset) == [(kind, 1, region)]
    assert message in dataset.findings[0].message
    assert dataset.findings[0].file.endswith("2007_000039.xml")
    assert len(dataset.instances(1)) == (kind != "annotations-unreadable")
    assert len(dataset.load_mask(0)[1]) == 2  # the others stay


def test_sizes_of_the_annotations_are_used(tmp_path):
    root = voc_set(tmp_path)
    write_text(root / "Annotations" / "2007_000032.xml",
               xml(GOOD, size="<width> 61.0 </width><height>40</height>"))
    dataset = read(root)
    assert dataset.findings == []
    assert dataset.image_size(0) == (40, 61)
    with pytest.raises(DataError, match=r"object 1: .*000032.png: expected the image's size"):
        dataset.load_mask(0)


def test_missing_files(tmp_path):
    root = voc_set(tmp_path)
    (root / "Annotations" / "2007_000032.xml").unlink()
    (root / "JPEGImages" / "2007_000039.jpg").unlink()
    (root / "SegmentationObject" / "2007_000033.png").unlink()
    dataset = read(root)
    assert found(dataset) == [("annotations-unreadable", 0, ""), ("image-missing", 1, ""),
                              ("box-only", None, "")]
    assert len(dataset.image_info) == 3
    assert dataset.instances(2)[0].region == Rectangle(10, 5, 20, 20)


def test_the_name_in_the_xml_is_the_second_choice(tmp_path):
    root = voc_set(tmp_path)
    (root / "JPEGImages" / "2007_000033.jpg").rename(root / "JPEGImages" / "other.jpg")
    text = xml(GOOD, filename="other.jpg")
    write_text(root / "Annotations" / "2007_000033.xml", text)
    write_text(root / "Annotations" / "2007_000032.xml", xml(GOOD, filename="/home/me/a.jpg"))
    dataset = read(root)
    assert dataset.findings == []
    assert dataset.image_info[2]["path"].endswith("other.jpg")
    assert dataset.image_info[0]["path"].endswith("2007_000032.jpg")


@pytest.mark.parametrize(("line", "kind"), [
    ("../../../../etc/passwd", "path-outside"), ("/etc/passwd", "path-outside"),
    ("C:\\a", "path-outside"), ("a\0b", "annotation-invalid"),
    ("x" * 300, "annotation-invalid"), ("x" * 251, "annotations-unreadable"),
    ("a/" * 3000, "annotations-unreadable"), ("2007_999999 1", "annotations-unreadable"),
])
def test_a_bad_line_of_a_list_is_a_faulty_image(tmp_path, line, kind):
    root = voc_set(tmp_path)
    write_text(root / "ImageSets" / "Segmentation" / "train.txt", f"{line}\n2007_000032\n")
    dataset = read(root, subset="train")
    assert len(dataset.image_info) == 2
    assert (kind, 0, "") in found(dataset)
    assert {one.image for one in dataset.findings} == {0}
    if kind in ("path-outside", "annotation-invalid"):
        assert dataset.image_info[0]["path"] is None


def test_class_names_that_are_given_are_the_only_ones(tmp_path):
    dataset = read(boxes_set(tmp_path), class_names=["wheel", "leg"])
    assert dataset.class_names == ["BG", "wheel", "leg"]
    assert found(dataset)[:2] == [("class-unknown", 0, "object 2"), ("class-unknown", 1,
                                                                     "object 1")]
    assert "'arm': expected one of ['wheel', 'leg']" in dataset.findings[0].message


def test_more_objects_than_a_label_image_has_values(tmp_path):
    root = voc_set(tmp_path)
    write_text(root / "Annotations" / "2007_000033.xml", xml(*[GOOD] * 256))
    dataset = read(root, subset="val")
    assert found(dataset) == [("mask-invalid", 0, "object 255"), ("mask-invalid", 0, "object 256")]


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no Pascal VOC annotations: expected XML files in"):
        read(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no such file or folder: .*gone"):
        read(tmp_path / "gone")
    root = voc_set(tmp_path)
    write_text(root / "ImageSets" / "Segmentation" / "train.txt", " \n")
    with pytest.raises(DataError, match=r"the lists \['train.txt'\] name no image"):
        read(root, subset="train")
    shutil.copytree(root, root.parent / "VOC2007")
    with pytest.raises(DataError, match="several VOC sets: expected one of .*VOC2007.*VOC2012"):
        read(tmp_path)


def test_what_matches(tmp_path):
    assert not matches(tmp_path)
    root = voc_set(tmp_path / "a")
    assert matches(root) and matches(root.parent) and matches(tmp_path / "a")
    assert matches(boxes_set(tmp_path / "b"))
    write_text(tmp_path / "c" / "x.xml", "<project/>")
    assert not matches(tmp_path / "c")
    assert not matches(root / "JPEGImages" / "2007_000032.jpg")


PIECES = ["<", ">", "</object>", "<object>", "-", "9" * 400, "nan", "\0", "\xff", "&a;", "..",
          "<!--", "]]>", "<name>cow</name>", "<bndbox>", "", " ", "\ud800", "1e9", "../"]


def mutated(text, rng):
    """Replaces, doubles, moves or cuts out a few stretches of a text."""
    for _ in range(rng.randint(1, 4)):
        a = rng.randrange(len(text) + 1)
        b = min(len(text), a + rng.choice([0, 1, 3, 10, 60]))
        text = text[:a] + rng.choice([rng.choice(PIECES), text[a:b] * 2, ""]) + text[b:]
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("seed", range(150))
def test_mutations_of_an_xml_lose_nothing_unsaid(tmp_path, seed):
    root = voc_set(tmp_path)
    rng = random.Random(seed)
    if seed % 2:
        shutil.rmtree(root / "SegmentationObject")
    data = mutated(xml(*OBJECTS["2007_000039"], filename="a.jpg"), rng)
    write_text(root / "Annotations" / "2007_000039.xml", data)
    dataset = read(root, subset="train")
    assert [info["id"] for info in dataset.image_info] == ["2007_000032", "2007_000039"]
    assert len(dataset.instances(0)) == 2
    kept = len(dataset.instances(1))
    said = [one for one in dataset.findings if one.image == 1]
    assert kept == data.count(b"<object>") or said or b"<!--" in data
    for image_id in dataset.image_ids:
        dataset.load_mask(image_id) if not said else None


@pytest.mark.parametrize("seed", range(150))
def test_mutations_of_a_list_lose_nothing_unsaid(tmp_path, seed):
    root = voc_set(tmp_path)
    data = mutated("2007_000032\n2007_000039 -1\n2007_000033\n", random.Random(seed))
    file = root / "ImageSets" / "Segmentation" / "train.txt"
    write_text(file, data)
    try:
        dataset = read(root, subset="train")
    except DataError as error:
        assert "name no image" in str(error)
        return
    ids = [info["id"] for info in dataset.image_info]
    for line in data.decode("utf-8", "replace").split():
        assert line in ("1", "-1", "0") or any(line in name for name in ids), (line, ids)
    unsaid = set(range(len(ids))) - {one.image for one in dataset.findings}
    assert {ids[i] for i in unsaid} <= set(OBJECTS)


def test_it_can_be_drawn(tmp_path):
    from mrcnn.visualize import display_instances

    root = voc_set(tmp_path)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    for value, x in ((1, 5), (2, 22), (3, 40)):
        draw.ellipse((x, 10, x + 14, 24), fill=(60 * value, 99, 99))
        spot = Image.new("L", (WIDTH, HEIGHT))
        ImageDraw.Draw(spot).ellipse((x, 10, x + 14, 24), fill=1)
        labels[np.array(spot) > 0] = value
    picture.save(root / "JPEGImages" / "2007_000039.jpg")
    write_labels(root / "SegmentationObject" / "2007_000039.png", labels)
    dataset = read(root, subset="train")
    mask, class_ids = dataset.load_mask(1)
    rows = [np.argwhere(mask[..., i]) for i in range(3)]
    boxes = np.array([[*spots.min(0), *(spots.max(0) + 1)] for spots in rows])
    np.testing.assert_array_equal(boxes[:, 1], [5, 22, 40])
    figure = display_instances(dataset.load_image(1), boxes, mask, class_ids, dataset.class_names)
    figure.savefig(tmp_path / "drawn.png")
    assert np.ptp(np.array(Image.open(tmp_path / "drawn.png"))) > 200
