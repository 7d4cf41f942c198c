"""VIA 1 and 2: every shape as scikit-image draws it, every fault named, balloon bit for bit."""

import json
import re

import numpy as np
import pytest
from breaking import broken_bytes, broken_tree, draw_all, kinds, read, write_image
from skimage import draw

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.labelme import matches as labelme_matches
from mrcnn.data.formats.via import matches, read_via, subsets
from mrcnn.data.formats.yolo import matches as yolo_matches

POLYGON = {"name": "polygon", "all_points_x": [5, 20.5, 12], "all_points_y": [4, 6, 30.25]}
SHAPES = {
    "polygon": POLYGON,
    "polyline": {"name": "polyline", "all_points_x": [30, 50, 40, 30],
                 "all_points_y": [3, 3, 20, 10]},
    "rect": {"name": "rect", "x": 3, "y": 5, "width": 10, "height": 7},
    "circle": {"name": "circle", "cx": 30, "cy": 20, "r": 9},
    "ellipse": {"name": "ellipse", "cx": 40, "cy": 20, "rx": 15, "ry": 5, "theta": 0.5},
    "plain ellipse": {"name": "ellipse", "cx": 40, "cy": 20, "rx": 15, "ry": 5},
}


def region(shape=POLYGON, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(regions, name="a.jpg", **more):
    return {"filename": name, "size": 1234, "regions": regions, "file_attributes": {}, **more}


def written(folder, entries, images=("a.jpg",), name="via_region_data.json", project=False):
    """A VIA file in a folder with images; the entries may be a list."""
    folder.mkdir(exist_ok=True)
    for image in images:
        write_image(folder / image)
    if isinstance(entries, list):
        entries = {f"{one['filename']}{i}": one for i, one in enumerate(entries)}
    data = entries
    if project:
        data = {"_via_settings": {"ui": {}, "core": {"default_filepath": "/x"}},
                "_via_img_metadata": entries, "_via_attributes": {"region": {}, "file": {}},
                "_via_data_format_version": "2.0.10", "_via_image_id_list": list(entries)}
    (folder / name).write_text(json.dumps(data), encoding="utf-8")
    return folder


def drawn(name):
    """A shape as scikit-image draws it, [40, 60] bool."""
    shape, canvas = SHAPES[name], np.zeros((40, 60), bool)
    if name in ("polygon", "polyline"):
        canvas[draw.polygon(shape["all_points_y"], shape["all_points_x"], canvas.shape)] = True
    elif name == "rect":
        canvas[draw.rectangle((5, 3), extent=(7, 10), shape=canvas.shape)] = True
    elif name == "circle":
        canvas[draw.disk((20, 30), 9, shape=canvas.shape)] = True
    else:  # positive theta turns from x towards y, as the image is seen
        canvas[draw.ellipse(20, 40, 5, 15, canvas.shape, -shape.get("theta", 0))] = True
    return canvas


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("as_list", [False, True])
def test_every_shape(tmp_path, as_list, project):
    regions = [region(shape) for shape in SHAPES.values()]
    regions = regions if as_list else {str(i): one for i, one in enumerate(regions)}
    dataset = read(read_via, written(tmp_path, [entry(regions)], project=project))
    masks, class_ids = dataset.load_mask(0)
    assert dataset.findings == []
    assert dataset.class_names == ["BG", "object"]
    np.testing.assert_array_equal(class_ids, [1] * len(SHAPES))
    for i, name in enumerate(SHAPES):
        np.testing.assert_array_equal(masks[:, :, i], drawn(name), err_msg=name)


def test_an_ellipse_turns_clockwise(tmp_path):
    shape = {"name": "ellipse", "cx": 30, "cy": 20, "rx": 18, "ry": 3, "theta": np.pi / 4}
    dataset = read(read_via, written(tmp_path, [entry([region(shape)])]))
    mask = dataset.load_mask(0)[0][:, :, 0]
    assert mask[28, 38] and mask[12, 22]
    assert not mask[28, 22] and not mask[12, 38]
    rows, columns = np.nonzero(mask)
    box = dataset.instances(0)[0].region.box()
    np.testing.assert_allclose(box, (rows.min(), columns.min(), rows.max(), columns.max()), atol=1)


def test_balloon(balloon_dir):
    for subset, images, objects in (("train", 61, 255), ("val", 13, 50)):
        dataset = read(read_via, balloon_dir, subset=subset, source="balloon",
                       class_name="balloon")
        assert dataset.findings == []
        assert dataset.class_names == ["BG", "balloon"]
        assert dataset.map_source_class_id("balloon.balloon") == 1
        assert dataset.num_images == images
        assert sum(len(dataset.instances(i)) for i in dataset.image_ids) == objects
        file = json.loads((balloon_dir / subset / "via_region_data.json").read_text())
        by_name = {one["filename"]: one["regions"] for one in file.values()}
        for i in dataset.image_ids[::6]:
            masks, _ = dataset.load_mask(i)
            regions = by_name[dataset.image_info[i]["id"]]
            assert masks.shape[2] == len(regions)
            for k, one in enumerate(regions.values()):
                want, shape = np.zeros(masks.shape[:2], bool), one["shape_attributes"]
                want[draw.polygon(shape["all_points_y"], shape["all_points_x"],
                                  want.shape)] = True
                np.testing.assert_array_equal(masks[:, :, k], want)


def test_the_second_version_of_balloon_reads_equal(balloon_dir, tmp_path):
    first = read(read_via, balloon_dir, subset="val")
    entries = json.loads((balloon_dir / "val" / "via_region_data.json").read_text())
    for one in entries.values():
        one["regions"] = list(one["regions"].values())
    written(tmp_path, entries, images=(), name="project.json", project=True)
    second = read(read_via, tmp_path, images=balloon_dir / "val")
    assert [info["annotations"] for info in second.image_info] == [
        info["annotations"] for info in first.image_info]
    assert [info["path"] for info in second.image_info] == [
        info["path"] for info in first.image_info]


@pytest.mark.parametrize(("attributes", "options", "names"), [
    ([{"kind": "b"}, {"kind": " a "}], {}, ["a", "b"]),
    ([{"kind": {"b": True, "a": False}}, {"kind": {"a": True}}], {}, ["a", "b"]),
    ([{"kind": "b", "note": "x"}, {"kind": "a", "note": "y"}], {"class_attribute": "kind"},
     ["a", "b"]),
    ([{"Name": "b", "note": "x"}, {"Name": "a"}], {}, ["a", "b"]),
    ([{"note": ""}, {"note": {}}], {}, ["object"]),
    ([{"note": "x"}, {}], {"class_name": "thing"}, ["thing"]),
])
def test_the_class_comes_from_an_attribute(tmp_path, attributes, options, names):
    regions = [region(**one) for one in attributes]
    dataset = read(read_via, written(tmp_path, [entry(regions)]), **options)
    assert dataset.class_names == ["BG", *names]
    assert [one.class_id for one in dataset.instances(0)] == ([2, 1] if len(names) == 2
                                                              else [1, 1])
    assert dataset.findings == []


def test_several_attributes_ask_for_one(tmp_path):
    written(tmp_path, [entry([region(size="x", note="y")])])
    with pytest.raises(DataError, match=r"via_region_data.json: class_attribute: .*'note', 'size'"):
        read(read_via, tmp_path)
    with pytest.raises(DataError, match="no region has 'colour'"):
        read(read_via, tmp_path, class_attribute="colour")
    with pytest.raises(DataError, match="received both"):
        read(read_via, tmp_path, class_attribute="note", class_name="a")


def test_classes_that_are_not_wanted_are_counted(tmp_path):
    written(tmp_path, [entry([region(kind="a"), region(kind="b"), region(kind="b")])])
    dataset = read(read_via, tmp_path, classes=["a"])
    assert dataset.class_names == ["BG", "a"]
    assert dataset.left_out == {"b": 2}
    assert len(dataset.instances(0)) == 1


NAN, INF = float("nan"), float("inf")
FAULTS = [
    ("outline-invalid", {**POLYGON, "all_points_x": [1, 2], "all_points_y": [1, 2]}),
    ("outline-invalid", {**POLYGON, "all_points_x": [], "all_points_y": []}),
    ("outline-invalid", {**POLYGON, "all_points_x": [1, 2, 3], "all_points_y": [1, 2, 3]}),
    ("outline-invalid", {**POLYGON, "all_points_x": [4, 4, 4], "all_points_y": [1, 1, 1]}),
    ("outline-invalid", {"name": "circle", "cx": 3, "cy": 3, "r": 0}),
    ("outline-invalid", {"name": "ellipse", "cx": 3, "cy": 3, "rx": 3, "ry": -2}),
    ("box-invalid", {"name": "rect", "x": 3, "y": 3, "width": 0, "height": 3}),
    ("box-invalid", {"name": "rect", "x": 3, "y": 3, "width": 4, "height": -3}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, NAN]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, INF]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, 1e12]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, "3"]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, True]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": [1, 2, 3, 4]}),
    ("annotation-invalid", {**POLYGON, "all_points_x": None}),
    ("annotation-invalid", {"name": "polygon"}),
    ("annotation-invalid", {"name": "star", "x": 3}),
    ("annotation-invalid", {"name": ["rect"]}),
    ("annotation-invalid", {}),
    ("annotation-invalid", None),
]


@pytest.mark.parametrize(("kind", "shape"), FAULTS)
def test_a_bad_region_is_named_and_the_others_stay(tmp_path, kind, shape):
    regions = {"0": region(), "7": region(shape), "x": region()}
    dataset = read(read_via, written(tmp_path, [entry([region()], "b.jpg"), entry(regions)],
                                     images=("a.jpg", "b.jpg")))
    assert kinds(dataset) == [(kind, "a.jpg, region 7", 1)]
    assert dataset.findings[0].file == str(tmp_path / "via_region_data.json")
    assert [one.place for one in dataset.instances(1)] == ["region 0", "region x"]


@pytest.mark.parametrize(("kind", "changed"), [
    ("path-outside", {"filename": "../a.jpg"}),
    ("path-outside", {"filename": "https://x.org/a.jpg"}),
    ("annotation-invalid", {"filename": "data:image/png;base64,AAAA"}),
    ("annotation-invalid", {"filename": None}),
    ("annotation-invalid", {"filename": ""}),
    ("annotation-invalid", {"regions": "none"}),
    ("image-missing", {"filename": "c.jpg"}),
    ("duplicate-id", {"filename": "b.jpg"}),
    ("image-unannotated", {"regions": []}),
])
def test_a_bad_entry_is_named_and_is_an_image(tmp_path, kind, changed):
    entries = {"b": entry([region()], "b.jpg"), "a": {**entry([region()]), **changed}}
    dataset = read(read_via, written(tmp_path, entries, images=("a.jpg", "b.jpg")))
    expected = None if kind == "image-unannotated" else 1
    assert [(one.kind, one.image) for one in dataset.findings] == [(kind, expected)]
    assert dataset.num_images == 2
    assert len(dataset.instances(0)) == 1


def test_points_and_unknown_classes(tmp_path):
    point = {"name": "point", "cx": 3, "cy": 4}
    regions = [region(kind="a"), region(point), region(point), region(kind={"a": True, "b": True}),
               region()]
    dataset = read(read_via, written(tmp_path, [entry(regions)]))
    assert kinds(dataset) == [("class-unknown", "a.jpg, region 3", 0),
                              ("class-unknown", "a.jpg, region 4", 0),
                              ("entry-ignored", "a.jpg", 0)]
    assert "2 point shapes" in dataset.findings[2].message


@pytest.mark.parametrize(("file", "image", "given", "default"), [
    ("via.json", "images/a.jpg", "", ""), ("via.json", "pics/a.jpg", "", "./pics/"),
    ("train/via.json", "images/train/a.jpg", "", ""), ("annotations/via.json", "images/a.jpg", "",
                                                       "/home/me/pics/"),
    ("via.json", "images/a.jpg", "via.json", "../../"),
])
def test_images_are_looked_for_beside_the_file(tmp_path, file, image, given, default):
    path = write_image(tmp_path / image)
    written((tmp_path / file).parent, [entry([region()])], (), "via.json", project=True)
    text = (tmp_path / file).read_text().replace('"/x"', json.dumps(default))
    (tmp_path / file).write_text(text)
    dataset = read(read_via, tmp_path / given)
    assert dataset.findings == []
    assert dataset.image_info[0]["path"] == str(path)


@pytest.mark.parametrize(("name", "kind"), [
    ("C:\\data\\a.jpg", "path-outside"), ("https://x.org/a.jpg", "path-outside"),
    ("../a.jpg", "path-outside"), ("old/a.jpg", "image-missing"),
])
def test_in_a_folder_that_is_given_the_last_part_of_a_name_is_enough(tmp_path, name, kind):
    written(tmp_path / "set", [entry([region()], name)], ())
    path = write_image(tmp_path / "pictures" / "a.jpg")
    dataset = read(read_via, tmp_path / "set", images=tmp_path / "pictures")
    assert dataset.findings == [] and dataset.image_info[0]["path"] == str(path)
    assert [one[0] for one in kinds(read(read_via, tmp_path / "set"))] == [kind]


def test_classes_may_be_numbers(tmp_path):
    regions = [region(**{"class": 3}), region(**{"class": 12}), region(**{"class": True})]
    dataset = read(read_via, written(tmp_path, [entry(regions)]))
    assert dataset.class_names == ["BG", "12", "3"]
    assert [one[0] for one in kinds(dataset)] == ["class-unknown"]


@pytest.mark.parametrize(("name", "text", "message"), [
    ("via_export_csv.csv", "#filename,file_size,file_attributes,region_count,region_id,"
     "region_shape_attributes,region_attributes\n", "export the annotations as JSON"),
    ("project.json", '{"project": {"pname": "x", "vid_list": ["1"]}, "config": {}, "attribute": '
     '{}, "file": {}, "metadata": {}, "view": {}}', "VIA 3, which is not read; export it as COCO"),
])
def test_what_is_not_read_says_what_to_do(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    for path in (tmp_path, tmp_path / name):
        assert matches(path)
        with pytest.raises(DataError, match=f"{name}: .*{message}"):
            read(read_via, path)


def test_an_embedded_image_is_not_used(tmp_path):
    dataset = read(read_via, written(tmp_path, [entry([region()], base64_img_data="x" * 9000)], ()))
    assert "the copy in base64_img_data is not used" in dataset.findings[0].message
    assert matches(tmp_path)


def test_formats_are_told_apart(tmp_path):
    via = written(tmp_path / "via", [entry([region()])], images=["a.jpg"], name="any.json")
    labelme = tmp_path / "labelme"
    labelme.mkdir()
    (labelme / "a.json").write_text('{"version": "5", "shapes": [], "imagePath": "a.jpg"}')
    yolo = tmp_path / "yolo"
    (yolo / "labels").mkdir(parents=True)
    (yolo / "labels" / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    found = [[formats(path) for formats in (matches, labelme_matches, yolo_matches)]
             for path in (via, via / "any.json", labelme, labelme / "a.json", yolo, tmp_path / "x")]
    assert found == [[True, False, False]] * 2 + [[False, True, False]] * 2 + [
        [False, False, True], [False, False, False]]


def test_files_are_found(tmp_path, coco_dir, balloon_dir):
    assert matches(balloon_dir) and matches(balloon_dir / "val" / "via_region_data.json")
    assert subsets(balloon_dir) == ["train", "val"] and subsets(balloon_dir / "val") == []
    assert not matches(coco_dir)
    with pytest.raises(DataError, match=r"one of \['train', 'val'\]"):
        read(read_via, balloon_dir)
    with pytest.raises(DataError, match=r"one of \['train', 'val'\], received 'test'"):
        read(read_via, balloon_dir, subset="test")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(read_via, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected via\*.json"):
        read(read_via, tmp_path)
    written(tmp_path, [entry([region()])], name="any.json")
    assert matches(tmp_path) and read(read_via, tmp_path).num_images == 1
    written(tmp_path, [entry([region()])], name="other.json")
    with pytest.raises(DataError, match="several VIA files: .*'any.json', 'other.json'"):
        read(read_via, tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", "3", '{"images": [], "annotations": []}', "null",
                                  '{"_via_img_metadata": 3}', '{"_via_img_metadata": {"a": 3}}'])
def test_another_content_is_refused(tmp_path, text):
    (tmp_path / "via.json").write_text(text)
    with pytest.raises(DataError, match="via.json: expected a VIA 1 or 2 export"):
        read(read_via, tmp_path)


def test_broken_json_names_the_place(tmp_path):
    (tmp_path / "via.json").write_text('{"a": {"filename": "a.jpg",\n "regions": [}}')
    with pytest.raises(DataError, match=r"via.json: line 2, column \d+"):
        read(read_via, tmp_path)


def regions_in(entries):
    """How many regions there are, counted apart from the reader."""
    if "_via_img_metadata" in entries:
        entries = entries["_via_img_metadata"]
    return sum(len(one["regions"]) for key, one in entries.items()
               if not key.startswith("_via_") and isinstance(one, dict)
               and isinstance(one.get("regions"), (list, dict)))


def accounted(dataset):
    """Regions read, plus regions of which a finding says that they are left out."""
    points = [re.match(r"(\d+) point shapes", one.message) for one in dataset.findings]
    return (sum(len(dataset.instances(i)) for i in range(len(dataset.image_info)))
            + sum(", region " in one.region for one in dataset.findings)
            + sum(int(found.group(1)) for found in points if found))


@pytest.mark.parametrize("seed", range(150))
def test_damage_is_reported_and_nothing_is_lost(tmp_path, seed):
    rng = np.random.default_rng(seed)
    shapes = [region(shape, kind="ab"[i % 2]) for i, shape in enumerate(SHAPES.values())]
    shapes.append(region({"name": "point", "cx": 1, "cy": 2}, kind="a"))
    entries = [entry(shapes), entry({"0": region(kind={"a": True})}, "b.jpg")]
    file = written(tmp_path, entries, ("a.jpg", "b.jpg"), project=seed % 2 == 0)
    file = file / "via_region_data.json"
    if seed % 3 == 0:
        file.write_bytes(broken_bytes(rng, file.read_bytes()))
    else:
        data = broken_tree(rng, json.loads(file.read_text()))
        try:
            file.write_text(json.dumps(data))
        except ValueError:  # a whole number of thousands of digits
            return
    try:
        dataset = read(read_via, file)
    except DataError as error:
        assert str(file) in str(error)
        return
    draw_all(dataset)
    data = json.loads(file.read_text(encoding="utf-8-sig"))
    assert accounted(dataset) == regions_in(data), [str(one) for one in dataset.findings]
