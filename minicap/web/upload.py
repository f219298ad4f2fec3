"""From the body of a request to a photo, in memory alone."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from minicap.data.images import read_image
from minicap.errors import InputError
from minicap.web.limits import Limits
from minicap.web.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # those that a browser shows too
FIELD = "photo"


class Photo:
    """An uploaded photo.  data: the bytes of its file."""

    def __init__(self, data: bytes, most_pixels: int) -> None:
        self.data, self.most_pixels = data, most_pixels
        self._decoded: dict[int, np.ndarray] = {}

    def pixels(self, enough: int) -> np.ndarray:
        """(H, W, 3) uint8; the shorter side has `enough` pixels, if the photo has (see load_image).

        Raises Refusal (422) for what is no photo, or one of too many pixels.
        """
        if enough not in self._decoded:
            try:
                image = read_image(BytesIO(self.data), "the photo", enough, FORMATS, self.most_pixels)
            except InputError as error:
                raise Refusal(422, "bad_photo", str(error)) from None
            self._decoded[enough] = image
        return self._decoded[enough]


async def receive_photo(request: "Request", limits: Limits) -> Photo:
    """The photo in a request: its whole body, or the field "photo" of a form.

    Raises Refusal for a body that is too large (413), too slow (408), cut off or not a photo's (400).
    """
    from starlette.requests import ClientDisconnect

    too_large = Refusal(
        413, "too_large", f"the photo is larger than {limits.most_bytes / 2**20:g} MB; make it smaller first"
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.most_bytes:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limits.most_bytes:
                    raise too_large
    except TimeoutError:
        raise Refusal(
            408, "slow_upload", f"the upload took longer than {limits.upload_seconds:g} s"
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "cut_off", "the upload broke off") from None
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return Photo(await _field(request, bytes(data)), limits.most_pixels)
    if not data:
        raise Refusal(400, "no_photo", "the body of the request is empty; send the bytes of a photo")
    return Photo(bytes(data), limits.most_pixels)


async def _field(request: "Request", data: bytes) -> bytes:
    """The one file in a form.  Raises Refusal (400)."""
    from python_multipart.exceptions import FormParserError
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def body() -> AsyncIterator[bytes]:
        yield data

    parser = MultiPartParser(request.headers, body(), max_files=1, max_fields=0)
    parser.spool_max_size = len(data) + 1  # nothing is ever written to a temporary file
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # older Starlette passes on the parser's own
        raise Refusal(400, "bad_form", f"the form cannot be read: {error}") from None
    try:
        file = form.get(FIELD)
        if not isinstance(file, UploadFile):
            raise Refusal(400, "no_photo", f'the form has no file "{FIELD}"')
        return await file.read()
    finally:
        await form.close()
