"""Images from files and addresses, for `--image`."""

from pathlib import Path
from typing import Final

from streamkit.errors import ConfigurationError
from streamkit.messages import ImagePart

# How files of each type begin: (offset, bytes). The name of a file says nothing reliable.
_SIGNATURES: Final = (
    ("image/png", ((0, b"\x89PNG\r\n\x1a\n"),)),
    ("image/jpeg", ((0, b"\xff\xd8\xff"),)),
    ("image/gif", ((0, b"GIF8"),)),
    ("image/webp", ((0, b"RIFF"), (8, b"WEBP"))),
    ("image/bmp", ((0, b"BM"),)),
    ("image/tiff", ((0, b"II*\x00"),)),
    ("image/tiff", ((0, b"MM\x00*"),)),
    ("image/avif", ((4, b"ftypavif"),)),
    ("image/heic", ((4, b"ftypheic"),)),
)


def read_image(given: str) -> ImagePart:
    """An image by its address, or by the bytes of a file.

    Raises:
        ConfigurationError: The file cannot be read, or is no image of a known type.
    """
    if given.startswith(("https://", "http://", "data:")):
        return ImagePart(url=given)
    path = Path(given).expanduser()
    if path.is_dir():
        raise ConfigurationError(f"{given} is a folder; give an image file.")
    if not path.is_file():
        raise ConfigurationError(f"There is no image file {given}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The image {given} cannot be read: {error}.") from None
    return ImagePart(data=data, media_type=_media_type(data, given))


def _media_type(data: bytes, name: str) -> str:
    for media_type, marks in _SIGNATURES:
        if all(data.startswith(mark, offset) for offset, mark in marks):
            return media_type
    known = ", ".join(dict.fromkeys(each.removeprefix("image/") for each, _ in _SIGNATURES))
    raise ConfigurationError(f"{name} is no image of a known type: {known}.")
