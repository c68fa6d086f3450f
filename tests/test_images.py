from __future__ import annotations

import io
import json
import struct
import threading
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from corpora.errors import UsageError
from corpora.scenes import draw, scenes
from vision.images import (
    Picture,
    Placement,
    Preparation,
    Refused,
    Squares,
    files,
    load_many,
    name_of,
    read,
)
from vision.picture_preparation import Resize

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)
# Four corners that tell every turn and mirror apart.
CORNERS = np.array([[RED, RED, GREEN], [BLUE, BLUE, (250, 250, 250)]], np.uint8)


def encoded(image: Any, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(stream, format=form, **options)
    return stream.getvalue()


def gradient(height: int, width: int) -> np.ndarray:
    """A picture whose red tells how far right a pixel is, whose green how far down."""
    right, down = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([right, down, 0 * right], 2).astype(np.uint8)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_what_was_written_is_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"  # the name says nothing
    path.write_bytes(encoded(CORNERS, form))
    for source in (path, str(path), path.read_bytes(), CORNERS, Image.fromarray(CORNERS)):
        found = read(source)
        assert found.dtype == np.uint8
        assert (found == CORNERS).all()
        found[:] = 0  # its own, which may be written to
    assert CORNERS.any()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_a_camera_is_held_upright(turn: int, form: str) -> None:
    # How a camera that is turned so sees it (EXIF 2.3, the tag Orientation).
    seen = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }
    upright = CORNERS.repeat(16, 0).repeat(16, 1)
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = np.ascontiguousarray(seen[turn](upright))
    found = read(encoded(stored, form, exif=exif.tobytes()))
    assert found.shape == upright.shape
    middles = found[8::16, 8::16].astype(int)
    assert abs(middles - CORNERS).max() <= 8


@pytest.mark.filterwarnings("error")
def test_a_damaged_note_of_a_camera_is_left_alone() -> None:
    for note in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense"):
        found = read(encoded(gradient(20, 30), "JPEG", exif=note))
        assert found.shape == (20, 30, 3)


def test_every_depth_becomes_eight_bits() -> None:
    grey = np.array([[0, 257, 257 * 128], [257 * 200, 65535, 257 * 7]], np.uint16)
    expected = np.repeat(grey[..., None] // 257, 3, 2)
    fractions = (grey / 65535).astype(np.float32)
    for image, form in (
        (Image.fromarray(grey), "PNG"),
        (Image.fromarray(grey), "TIFF"),
        (Image.fromarray(grey.astype(np.int32)), "TIFF"),
        (Image.fromarray(fractions), "TIFF"),
        (Image.fromarray((fractions * 255).astype(np.float32)), "TIFF"),
        (Image.fromarray((grey // 257).astype(np.uint8)), "PNG"),
    ):
        assert (read(encoded(image, form)) == expected).all(), (image.mode, form)
    black_and_white = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read(encoded(black_and_white)).tolist() == [[[0] * 3, [255] * 3]]


def test_palettes_inks_and_greys() -> None:
    palette = Image.fromarray(CORNERS).quantize(4)
    assert palette.mode == "P"
    assert (read(encoded(palette)) == CORNERS).all()
    assert (read(encoded(palette, "GIF")) == CORNERS).all()
    inks = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for form in ("JPEG", "TIFF"):
        red, green, blue = read(encoded(inks, form))[4, 4].tolist()
        assert red > 240
        assert max(green, blue) < 15


def test_white_lies_under_what_is_transparent() -> None:
    clear = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [10, 20, 30, 51]]], np.uint8)
    expected = [[255, 255, 255], [10, 20, 30], [206, 208, 210]]
    assert read(encoded(clear))[0].tolist() == expected
    assert read(clear)[0].tolist() == expected
    grey = Image.fromarray(np.array([[[100, 0], [100, 255]]], np.uint8), "LA")
    assert read(encoded(grey))[0].tolist() == [[255] * 3, [100] * 3]
    for keyed in (Image.fromarray(CORNERS), Image.fromarray(CORNERS).quantize(4)):
        key = RED if keyed.mode == "RGB" else keyed.getpixel((0, 0))
        assert read(encoded(keyed, transparency=key))[0].tolist() == [
            [255] * 3,
            [255] * 3,
            [*GREEN],
        ]


def test_of_an_animation_the_first_frame() -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, GREEN, BLUE)]
    for form in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        moving = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert Image.open(io.BytesIO(moving)).n_frames == 3
        assert (read(moving) == RED).all(), form


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = encoded(noise)
    wrong = bytearray(whole)
    wrong[len(whole) // 2] ^= 255
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    return {
        "empty.jpg": (b"", r"empty \(0 bytes\): copy it again"),
        "text.png": (
            b"no picture at all",
            r"no picture that is known .*b'no picture a'.*: convert",
        ),
        "header.png": (whole[:20], "damaged or no picture that is known here"),
        "cut.png": (whole[:-3000], r"cut off or damaged \(PNG, 64 x 64 pixels: .*\): copy it"),
        "cut.jpg": (encoded(noise, "JPEG")[:-900], r"cut off or damaged \(JPEG, 64 x 64"),
        "cut.gif": (encoded(noise, "GIF")[:900], "cut off or damaged"),
        "cut.bmp": (encoded(noise, "BMP")[:900], "cut off or damaged"),
        "cut.tif": (encoded(noise, "TIFF")[:900], "damaged"),
        "cut.webp": (encoded(noise, "WEBP")[:900], "damaged"),
        "wrong.png": (bytes(wrong), "cut off or damaged"),
        "program.png": (postscript, "no picture that is known here"),
        "large.png": (bomb(10_000, 9_000), r"too large .* \(10,000 x 9,000 pixels, at most 80,0"),
        "bomb.png": (bomb(100_000, 100_000), "too large to be decoded safely"),
        "lines.png": (bomb(0, 5), "damaged"),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", bad_pictures())
def test_bad_pictures_are_told_in_one_line(name: str, tmp_path: Path) -> None:
    content, message = bad_pictures()[name]
    path = tmp_path / name
    path.write_bytes(content)
    for source, called in ((path, str(path)), (content, f"a picture of {len(content):,} bytes")):
        with pytest.raises(UsageError, match=message) as caught:
            read(source)
        assert str(caught.value).startswith(called)
        assert "\n" not in str(caught.value)
        assert "<_io" not in str(caught.value)


def test_the_limit_is_the_callers() -> None:
    small = encoded(gradient(20, 30))
    assert read(small, most_pixels=600).shape == (20, 30, 3)
    with pytest.raises(UsageError, match=r"30 x 20 pixels, at most 599"):
        read(small, most_pixels=599)


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.jpg: there is no such file"):
        read(tmp_path / "absent.jpg")
    with pytest.raises(UsageError, match="is a folder: expected a picture"):
        read(tmp_path)
    with pytest.raises(UsageError, match="a picture given as int is no picture"):
        read(7)
    for pixels in (np.zeros((2, 2, 3)), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8)):
        with pytest.raises(UsageError, match=r"expected uint8 \[height, width, 3\]"):
            read(pixels)


def test_what_a_data_set_holds() -> None:
    scene = next(scenes(seed=3))
    assert (read(scene) == draw(scene)).all()
    content = encoded(CORNERS)
    assert (read({"bytes": content, "path": "a.png"}) == CORNERS).all()
    with pytest.raises(UsageError, match=r"^a\.png is damaged"):
        read({"bytes": b"nothing", "path": "a.png"})
    assert read(np.zeros((2, 3), np.uint8)).shape == (2, 3, 3)


sides = st.integers(1, 200)


@given(sides, sides, st.integers(1, 150), st.sampled_from(["crop", "pad", "stretch"]), st.data())
def test_places_come_back(
    height: int, width: int, size: int, resize: Resize, data: st.DataObject
) -> None:
    place = Preparation(size, resize).placement(height, width)
    box = data.draw(st.lists(st.floats(-10, 300), min_size=4, max_size=4))
    np.testing.assert_allclose(place.to_picture(place.to_square(box)), box, atol=1e-6)
    point = place.to_square([box[:2], box[2:]])
    np.testing.assert_array_equal(point.reshape(-1), place.to_square(box))
    left, top, right, bottom = place.region
    if resize == "crop":  # all of one side, the middle of the other
        assert min(abs(right - left - 1), abs(bottom - top - 1)) < 1e-9
        assert abs(left + right - 1) < 1e-9
        assert abs(top + bottom - 1) < 1e-9
        assert min(left, top) > -1e-9
    elif resize == "stretch":
        np.testing.assert_allclose(place.region, (0, 0, 1, 1), atol=1e-9)
    else:  # within one pixel of the middle
        assert min(left, top) <= 1e-9 <= 1 - 1e-9 <= max(right, bottom)
        edges = place.to_square([0, 0, width, height])
        assert abs(edges[:2] + edges[2:] - size).max() <= 1 + 1e-9


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("height", "width"), [(120, 200), (200, 90), (77, 77), (31, 240)])
@pytest.mark.parametrize("size", [64, 96, 200])
def test_pixels_lie_where_the_placement_says(
    resize: Resize, height: int, width: int, size: int
) -> None:
    square, place = Preparation(size, resize, mean=(1.0, 1.0, 1.0)).square(gradient(height, width))
    assert square.shape == (3, size, size)
    assert square.dtype == torch.uint8
    rows, columns = np.mgrid[:size, :size] + 0.5
    x, y = place.to_picture(np.stack([columns, rows], 2)).transpose(2, 0, 1)
    # Pixels mix at the picture's edge, and half a pixel of the square may be much of the picture.
    edge = 1 + 1 / min(place.across, place.down)
    inside = (x > edge) & (x < width - edge) & (y > edge) & (y < height - edge)
    assert inside.sum() > inside.size / 20
    # A pixel says of itself where it is; its middle is half a pixel on. It is rounded, too.
    assert abs(square[0].numpy() + 0.5 - x)[inside].max() <= 0.51
    assert abs(square[1].numpy() + 0.5 - y)[inside].max() <= 0.51
    bars = (x < -edge) | (x > width + edge) | (y < -edge) | (y > height + edge)
    assert (square[2].numpy()[bars] == 255).all()
    assert bool(bars.any()) == (resize == "pad" and height != width)


def test_normalizing_is_torchvisions() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    preparation = Preparation(50, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    expected = (pixels / 255 - (0.1, 0.2, 0.3)) / (0.5, 0.6, 0.7)
    found = preparation(pixels)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), expected, atol=1e-5)
    padded = Preparation(50, "pad")(np.zeros((5, 50, 3), np.uint8))
    assert padded[:, 0].abs().max() < 0.01  # bars are nothing to a network


def test_a_preparation_survives_json() -> None:
    preparation = Preparation(64, "pad", std=(0.5, 0.5, 0.5))
    assert Preparation(**json.loads(json.dumps(asdict(preparation)))) == preparation
    for wrong, message in (
        ({"size": 0}, "size is 0"),
        ({"resize": "zoom"}, "resize 'zoom' is unknown: expected crop, pad or stretch"),
        ({"std": (0.1, 0.0, 0.1)}, r"std\[1\] is 0"),
        ({"mean": (0.1, 0.2)}, "expected three numbers"),
    ):
        with pytest.raises(UsageError, match=message):
            Preparation(**wrong)


def test_files_of_folders_and_patterns(tmp_path: Path) -> None:
    names = ["b.JPG", "a.png", "sub/c.jpeg", "sub/notes.txt", ".hidden.jpg", ".git/d.png", "z.gif"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()

    def found(source: Any) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in files(source)]

    assert found(tmp_path) == ["a.png", "b.JPG", "sub/c.jpeg", "z.gif"]
    assert found(str(tmp_path / "*.png")) == ["a.png"]
    assert found(f"{tmp_path}/**/*.jp*g") == ["sub/c.jpeg"]
    assert found([tmp_path / "z.gif", tmp_path / "sub/notes.txt", tmp_path / "sub"]) == [
        "z.gif",
        "sub/notes.txt",
        "sub/c.jpeg",
    ]
    (tmp_path / "what[1].png").write_bytes(b"")  # a name, though it looks like a pattern
    assert found(tmp_path / "what[1].png") == ["what[1].png"]
    for source, message in (
        (tmp_path / "absent", "there is no such file or folder"),
        (tmp_path / "absent*.png", "no file matches this pattern"),
        (tmp_path / "folder.png", "holds no picture: expected files named .bmp, "),
    ):
        with pytest.raises(UsageError, match=message):
            files(source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures, of which three are bad."""
    for number in range(40):
        content = encoded(np.full((12, 9 + number % 3, 3), number, np.uint8))
        bad = {7: b"", 20: b"nothing", 33: content[:-30]}
        (tmp_path / f"{number:03}.png").write_bytes(bad.get(number, content))
    return tmp_path


def values(pixels: Tensor) -> list[int]:
    return [int(one.unique()) for one in pixels]


@pytest.mark.parametrize("threads", [1, 4])
def test_many_in_order_and_the_bad_ones_told(folder: Path, threads: int) -> None:
    preparation = Preparation(8, mean=(0, 0, 0), std=(1, 1, 1))
    refused: list[Refused] = []
    paths = files(folder)
    found = list(load_many(paths, preparation, threads=threads, refused=refused.append))
    good = [number for number in range(40) if number not in (7, 20, 33)]
    assert [one.image for one in found] == [paths[number] for number in good]
    assert [round(float(one.pixels.mean()) * 255) for one in found] == good
    assert found[0].placement == preparation.placement(12, 9)
    assert [one.image.name for one in refused] == ["007.png", "020.png", "033.png"]
    assert all(name_of(one.image) in one.reason for one in refused)

    begun = load_many(paths, preparation, threads=threads)
    assert [next(begun).image.name for _ in range(7)][-1] == "006.png"
    with pytest.raises(UsageError, match=r"007\.png is empty"):
        next(begun)


def test_only_so_many_are_read_ahead() -> None:
    asked: list[int] = []

    def images() -> Any:
        for number in range(10_000):
            asked.append(number)
            yield np.full((4, 4, 3), number % 251, np.uint8)

    before = threading.active_count()
    begun = load_many(images(), Preparation(4), threads=2)
    assert isinstance(next(begun), Picture)
    assert len(asked) < 50
    begun.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    with pytest.raises(UsageError, match="threads is 0"):
        next(load_many([], Preparation(), threads=0))


@pytest.mark.parametrize("kept", [0, 10, 40])
def test_squares_are_kept_as_far_as_they_fit(
    folder: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vision import images

    read_now: list[Path] = []

    def counted(image: Path, **options: Any) -> np.ndarray:
        read_now.append(image)
        return read(image, **options)

    monkeypatch.setattr(images, "read", counted)
    paths = files(folder)
    preparation = Preparation(8, mean=(0, 0, 0), std=(1, 1, 1))
    squares = Squares(paths, preparation, threads=2, most_bytes=kept * 3 * 8 * 8)
    assert [one.image for one in squares.check()] == [paths[number] for number in (7, 20, 33)]
    assert len(squares) == len(read_now) == 40

    read_now.clear()
    batches = [[3, 39, 0], [12, 3], torch.tensor([5, 5])]
    found = list(squares.batches(batches))
    assert [values(batch) for batch in found] == [[3, 39, 0], [12, 3], [5, 5]]
    assert found[0].shape == (3, 3, 8, 8)
    assert found[0].dtype == torch.uint8
    assert {int(path.stem) for path in read_now} == {n for n in (3, 39, 0, 12, 5) if n >= kept}
    assert values(squares[[1, 2]]) == [1, 2]
    with pytest.raises(UsageError, match=r"007\.png is empty"):
        squares[[7]]
    one = preparation.normalize(squares[[6]])
    assert one[0].equal(next(load_many([paths[6]], preparation)).pixels)


def test_placement_is_plain() -> None:
    place = Preparation(100, "crop").placement(200, 400)
    assert place == Placement(200, 400, 100, -50.0, 0.0, 0.5, 0.5)
    assert place.region == (0.25, 0.0, 0.75, 1.0)
    assert place.to_picture([[0, 0], [100, 100]]).tolist() == [[100, 0], [300, 200]]
