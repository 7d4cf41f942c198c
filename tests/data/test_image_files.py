"""Image files of many kinds against Pillow, NumPy and tifffile."""

import io
import warnings
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from mrcnn.data.image_checks import check_image
from mrcnn.data.image_files import read_bands, read_image, read_image_size

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (7, 11, 4), dtype=np.uint8)
RGB, GREY, ALPHA = RGBA[..., :3], RGBA[..., :1], RGBA[..., 3:]
DEEP = RNG.integers(0, 65536, (7, 11, 4), dtype=np.uint16)
FLOATS = RNG.normal(100, 50, (7, 11, 6)).astype(np.float32)
ORIENTATION = 0x0112


def write_png16(path, array):
    """A PNG of 16 bits: 1, 2 (grey with alpha), 3 or 4 channels, put together by hand."""
    height, width, bands = array.shape
    rows = array.astype(">u2").tobytes()
    stride = width * bands * 2
    data = b"".join(b"\0" + rows[i * stride:(i + 1) * stride] for i in range(height))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, kind, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, body) for name, body in chunks))


def chunk(name, body):
    """One part of a PNG file."""
    return (len(body).to_bytes(4, "big") + name + body
            + zlib.crc32(name + body).to_bytes(4, "big"))


def turned(array, orientation):
    """`array` as Pillow turns a picture of this EXIF orientation."""
    places = Image.fromarray(np.arange(array[..., 0].size, dtype=np.int32).reshape(array.shape[:2]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    places.getexif().load(exif.tobytes())
    order = np.array(ImageOps.exif_transpose(places))
    return array.reshape(-1, array.shape[2])[order]


def luminance(rgb):
    """Pillow's formula, one pixel after the other."""
    out = np.zeros((*rgb.shape[:2], 1), rgb.dtype)
    for y, x in np.ndindex(*rgb.shape[:2]):
        red, green, blue = map(int, rgb[y, x, :3])
        out[y, x] = (red * 19595 + green * 38470 + blue * 7471 + 32768) // 65536
    return out


def write(path, array, mode=None, **options):
    picture = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    (picture.convert(mode) if mode else picture).save(path, **options)


LA = np.concatenate([GREY, ALPHA], axis=2)
DEEP_LA = DEEP[..., :2]
GREY3, DEEP3 = np.repeat(GREY, 3, 2), np.repeat(DEEP[..., :1], 3, 2)


@pytest.mark.parametrize(("array", "answers"), [
    (GREY, {1: GREY, 3: GREY3, 4: GREY, 6: GREY}),
    (LA, {1: GREY, 2: LA, 3: GREY3, 4: np.concatenate([GREY3, ALPHA], 2), 6: LA}),
    (RGB, {1: luminance(RGB), 3: RGB, 4: RGB, 6: RGB}),
    (RGBA, {1: luminance(RGB), 3: RGB, 4: RGBA, 6: RGBA}),
    (DEEP[..., :1], {1: DEEP[..., :1], 3: DEEP3, 4: DEEP[..., :1]}),
    (DEEP_LA, {1: DEEP[..., :1], 3: DEEP3,
               4: np.concatenate([DEEP3, DEEP[..., 1:2]], 2)}),
    (DEEP[..., :3], {1: luminance(DEEP), 3: DEEP[..., :3], 4: DEEP[..., :3]}),
    (DEEP, {1: luminance(DEEP), 3: DEEP[..., :3], 4: DEEP, 6: DEEP}),
])
def test_png_of_8_and_16_bits(tmp_path, array, answers):
    path = tmp_path / "a.png"
    (write_png16 if array.dtype == np.uint16 else write)(path, array)
    for channels, expected in answers.items():
        image = read_image(path, channels)
        assert image.dtype == array.dtype
        np.testing.assert_array_equal(image, expected, err_msg=f"{channels} channels")
    assert read_image_size(path) == (7, 11)


def test_luminance_is_that_of_pillow(tmp_path):
    write(tmp_path / "a.png", RGB)
    expected = np.array(Image.open(tmp_path / "a.png").convert("L"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 1)[..., 0], expected)
    grey = np.repeat(GREY, 3, axis=2)
    np.save(tmp_path / "grey.npy", grey.astype(np.float32) / 7)
    np.testing.assert_allclose(read_image(tmp_path / "grey.npy", 1), GREY / np.float32(7),
                               rtol=1e-6)


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("form", ["npy", "contig", "separate", "zlib", "big-endian"])
def test_bands_of_tiff_and_npy(tmp_path, bands, dtype, form):
    array = np.abs(RNG.normal(100, 50, (17, 23, bands))).astype(dtype)
    path = tmp_path / f"a.{'npy' if form == 'npy' else 'tif'}"
    if form == "npy":
        np.save(path, array if bands > 1 else array[..., 0])
    elif bands == 1:
        tifffile.imwrite(path, array[..., 0])
    else:
        is_separate = form == "separate"
        tifffile.imwrite(path, np.moveaxis(array, -1, 0) if is_separate else array,
                         photometric="minisblack", compression="zlib" if form == "zlib" else None,
                         planarconfig="separate" if is_separate else "contig",
                         byteorder=">" if form == "big-endian" else "<")
    image = read_image(path, bands)
    assert image.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image, array)
    assert read_image_size(path) == (17, 23)
    if bands == 6:
        np.testing.assert_array_equal(read_image(path), array)
    if bands == 4:
        np.testing.assert_array_equal(read_image(path), array[..., :3])


@pytest.mark.parametrize("options", [
    {}, {"imagej": True, "metadata": {"axes": "CYX"}}, {"photometric": "minisblack"},
])
def test_bands_as_pages_come_last(tmp_path, options):
    array = RNG.integers(0, 60000, (6, 17, 23), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 6), np.moveaxis(array, 0, -1))
    assert read_image_size(tmp_path / "a.tif") == (17, 23)


def test_bands_that_lie_last_stay_last(tmp_path):
    array = RNG.integers(0, 60000, (17, 23, 6), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array)  # as 17 pages of 23 x 6
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 6), array)
    assert read_image_size(tmp_path / "a.tif") == (17, 23)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "tif lzw", "png16"])
def test_every_orientation_is_applied(tmp_path, orientation, ending):
    path = tmp_path / f"a.{ending[:4].strip().removesuffix('1')}"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    array, options = RGB, {"lossless": True} if ending == "webp" else {}
    if ending == "tif":
        tifffile.imwrite(path, array, photometric="rgb",
                         extratags=[(ORIENTATION, "H", 1, orientation, True)])
    elif ending == "png16":
        array = DEEP
        write_png16(path, array)
        data, body = path.read_bytes(), exif.tobytes()[6:]
        path.write_bytes(data[:-12] + chunk(b"eXIf", body) + data[-12:])
    else:
        if ending == "tif lzw":
            options = {"compression": "tiff_lzw"}
        write(path, array, exif=exif, **options)
    if ending == "jpg":  # lossy: what Pillow decodes and turns
        expected = np.array(ImageOps.exif_transpose(Image.open(path)))
    else:
        expected = turned(array, orientation)
    np.testing.assert_array_equal(read_image(path, 4), expected)
    assert read_image_size(path) == expected.shape[:2] == ((7, 11) if orientation < 5 else (11, 7))


def test_the_first_bytes_count_and_not_the_ending(tmp_path):
    write(tmp_path / "a.tif", RGB, format="PNG")
    tifffile.imwrite(tmp_path / "b.jpg", FLOATS, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)
    np.testing.assert_array_equal(read_image(tmp_path / "b.jpg", 6), FLOATS)
    assert read_image_size(tmp_path / "b.jpg") == (7, 11)


def test_palettes_one_bit_and_cmyk(tmp_path):
    palette = Image.fromarray(RGB).quantize(9)
    palette.save(tmp_path / "p.png")
    palette.save(tmp_path / "p.tif")
    colours = np.array(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), colours)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif"), colours)
    palette.save(tmp_path / "t.png", transparency=bytes(range(9)))
    with Image.open(tmp_path / "t.png") as file:
        clear = np.array(file.convert("RGBA"))
    assert len(np.unique(clear[..., 3])) == 9
    np.testing.assert_array_equal(read_image(tmp_path / "t.png"), colours)
    np.testing.assert_array_equal(read_image(tmp_path / "t.png", 4), clear)
    bits = np.where(GREY > 99, 255, 0).astype(np.uint8)
    for ending, options in (("png", {}), ("tif", {}), ("tiff", {"compression": "group4"})):
        write(tmp_path / f"b.{ending}", bits, "1", **options)
        np.testing.assert_array_equal(read_image(tmp_path / f"b.{ending}", 1), bits)
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    red = read_image(tmp_path / "c.tif", 4)
    np.testing.assert_array_equal(red, np.full((3, 4, 3), (255, 0, 0)))


def test_the_first_picture_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif"), np.full((4, 5, 3), (255, 0, 0)))
    assert read_image_size(tmp_path / "a.gif") == (4, 5)


def test_compressions_that_tifffile_leaves_to_others(tmp_path):
    write(tmp_path / "a.tif", RGB, compression="tiff_lzw")
    assert cv2.imwrite(str(tmp_path / "b.tif"), DEEP[..., 2::-1],
                       [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].compression == 5
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), DEEP[..., :3])


def test_white_is_zero_becomes_grey(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", 255 - GREY[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 1), GREY)


def test_numpy_files(tmp_path):
    np.save(tmp_path / "bool.npy", GREY[..., 0] > 99)
    assert set(np.unique(read_image(tmp_path / "bool.npy", 1))) == {0, 255}
    np.save(tmp_path / "big.npy", DEEP.astype(">u2"))
    image = read_image(tmp_path / "big.npy", 4)
    assert image.dtype == np.uint16 and image.dtype.isnative and image.flags.writeable
    np.testing.assert_array_equal(image, DEEP)


def npy_text(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(("name", "data", "message"), [
    ("a.png", b"", "the file is empty"),
    ("a.jpg", b"no image at all", "cannot identify"),
    ("a.npy", npy_text(np.array([{}, 1], object), allow_pickle=True), "object"),
    ("a.npy", npy_text(DEEP)[:-9], "mmap length"),
    ("a.npy", npy_text(np.zeros(5)), r"expected \[H, W\] or \[H, W, C\], received shape \(5,\)"),
    ("a.npy", npy_text(np.zeros((0, 5))), r"received shape \(0, 5\)"),
    ("a.npy", npy_text(np.zeros((2, 3, 4, 5))), "received shape"),
    ("a.tif", b"II*\0", "not a readable image"),
    ("a.tif", b"II*\0\x08\0\0\0\xff\xff", "not a readable image"),
])
def test_what_is_no_image(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        read_image_size(tmp_path / name)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "png16", "webp", "gif"])
def test_a_truncated_file_is_refused(tmp_path, ending):
    whole, cut = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    noise = RNG.integers(0, 256, (60, 70, 4), dtype=np.uint8)
    if ending == "png16":
        write_png16(whole, noise.astype(np.uint16) * 257)
    elif ending == "tif":
        tifffile.imwrite(whole, noise)
    else:
        write(whole, noise[..., :3])
    read_image(whole)
    cut.write_bytes(whole.read_bytes()[:whole.stat().st_size // 2])
    with pytest.raises(ValueError, match="not a readable image file"):
        read_image(cut)


def test_missing_files_and_folders(tmp_path):
    for read in (read_image, read_image_size, read_bands):
        with pytest.raises(FileNotFoundError, match="no such file: .*gone.png"):
            read(tmp_path / "gone.png")
        with pytest.raises(ValueError, match="not a readable image file"):
            read(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "b.png"])
def test_too_many_pixels_are_refused_with_a_way_out(tmp_path, monkeypatch, name):
    if name == "b.png":
        write_png16(tmp_path / name, DEEP)
    elif name == "a.tif":
        tifffile.imwrite(tmp_path / name, RGB)
    else:
        write(tmp_path / name, RGB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 38)  # the file has 77
    for read in (read_image, read_image_size):
        with pytest.raises(ValueError, match="pixels.*raise PIL.Image.MAX_IMAGE_PIXELS"):
            read(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 39)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        assert read_image(tmp_path / name).shape == (7, 11, 3)


def test_more_bands_than_memory_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="minisblack", planarconfig="contig")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    for tag, value in ((256, 13_000), (257, 13_000), (277, 60_000)):  # width, height, bands
        place = next(i for i in range(len(data)) if data[i:i + 2] == tag.to_bytes(2, "little")
                     and data[i + 3] == 0 and data[i + 4:i + 8] == b"\x01\0\0\0")
        size = 4 if data[place + 2] == 4 else 2
        data[place + 8:place + 8 + size] = value.to_bytes(size, "little")
    (tmp_path / "a.tif").write_bytes(data)
    for read in (read_image, read_image_size):
        with pytest.raises(ValueError, match="13000 x 13000 pixels of .* bytes are more than"):
            read(tmp_path / "a.tif")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("form", ["tif", "npy", "png16", "png", "jpg", "tif lzw"])
def test_random_damage_is_a_value_error(tmp_path, form):
    path, random = tmp_path / f"a.{form[:3]}", np.random.default_rng(7)
    if form == "tif":
        tifffile.imwrite(path, DEEP, photometric="minisblack", planarconfig="contig")
    elif form == "npy":
        np.save(path, DEEP)
    elif form == "png16":
        write_png16(path, DEEP)
    else:
        write(path, RGB, **({"compression": "tiff_lzw"} if form == "tif lzw" else {}))
    whole, refused = path.read_bytes(), 0
    for i in range(150):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(256)
        path.write_bytes(data[:random.integers(len(data))] if i % 5 == 0 else data)
        for read in (read_image, read_image_size):
            try:
                read(path)
            except ValueError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 30


def test_the_size_of_a_png_needs_no_decoding(tmp_path):
    write(tmp_path / "a.png", RGB)
    data = (tmp_path / "a.png").read_bytes()
    place = data.index(b"IDAT") + 12
    (tmp_path / "a.png").write_bytes(data[:place] + b"\xff" * 4 + data[place + 4:])
    assert read_image_size(tmp_path / "a.png") == (7, 11)
    with pytest.raises(ValueError, match="not a readable image file"):
        read_image(tmp_path / "a.png")


def test_the_check_says_what_a_file_cannot_give(tmp_path):
    write(tmp_path / "a.png", RGB)
    with pytest.raises(ValueError, match=r"expected 4 channels.*received shape \(7, 11, 3\)"):
        check_image(read_image(tmp_path / "a.png", 4), 4, "image")
