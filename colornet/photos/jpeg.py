"""Whether a JPEG is whole: its decoders go on after damage, and fill what is missing with grey."""

import simplejpeg

END = b"\xff\xd9"
START = b"\xff\xd8"


def joined(tables: bytes, part: bytes) -> bytes:
    """A strip or tile of a TIFF as a JPEG of its own, with the tables that the TIFF shares."""
    return (tables[:-2] + part.removeprefix(START) if tables else part) + END


def check(data: bytes) -> None:
    """Raises ValueError where parts of a JPEG's bytes are missing or spoilt.

    A JPEG that lacks no more than its `END` is whole: add it.
    """
    try:
        inks = simplejpeg.decode_jpeg_header(data)[2] in ("CMYK", "YCCK")
        # At an eighth of the size, which is quick.
        simplejpeg.decode_jpeg(data, "CMYK" if inks else "GRAY", min_height=1, min_width=1)
    except ValueError as error:
        said = str(error)
        spoilt = said.startswith(("Corrupt JPEG data", "Premature end"))
        # Some cameras leave a few bytes behind the picture.
        if spoilt and not said.endswith("extraneous bytes before marker 0xd9"):
            raise
