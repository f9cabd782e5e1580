"""Real files for tests, made by the libraries that people's programs use."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import av
import numpy as np
from fpdf import FPDF
from fpdf.enums import AccessPermission, EncryptionMethod
from numpy.typing import NDArray
from PIL import Image, ImageDraw

NOTION_ID = "0123456789abcdef0123456789abcdef"
CHILD_ID = "fedcba9876543210fedcba9876543210"


def pdf(path: Path, pages: list[str], *, title: str = "", headings: dict[int, str] | None = None) -> Path:
    """Write a PDF with one text a page; `headings` are chapters by page number."""
    document = FPDF()
    document.set_font("helvetica", size=11)
    if title:
        document.set_title(title)
    for number, text in enumerate(pages, start=1):
        document.add_page()
        if headings and number in headings:
            document.start_section(headings[number])
            document.multi_cell(0, 8, headings[number], new_x="LMARGIN", new_y="NEXT")
        document.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
    document.output(str(path))
    return path


def encrypted_pdf(path: Path) -> Path:
    document = FPDF()
    document.set_font("helvetica", size=11)
    document.add_page()
    document.multi_cell(0, 6, "Nobody reads this.")
    document.set_encryption(
        owner_password="owner",
        user_password="user",
        encryption_method=EncryptionMethod.AES_256,
        permissions=AccessPermission.none(),
    )
    document.output(str(path))
    return path


def image_pdf(path: Path) -> Path:
    picture = Image.new("RGB", (400, 200), "white")
    ImageDraw.Draw(picture).text((20, 80), "Only a picture of words", fill="black")
    document = FPDF()
    for _ in range(2):
        document.add_page()
        document.image(picture)
    document.output(str(path))
    return path


def notion(path: Path) -> Path:
    """Write an export as Notion does: a page, a page below it, a database, all in one part."""
    part = io.BytesIO()
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        child = f"House {NOTION_ID}/Boiler {CHILD_ID}.md"
        archive.writestr(
            f"House {NOTION_ID}.md",
            "# House\n\nEverything about the house. "
            f"See [Boiler](House%20{NOTION_ID}/Boiler%20{CHILD_ID}.md).\n",
        )
        archive.writestr(
            child,
            "# Boiler\n\nCreated: May 3, 2024 10:15 AM\n\n## Pressure\n\nKeep the pressure at 1.6 bar.\n",
        )
        archive.writestr(f"House {NOTION_ID}/Bills {CHILD_ID[::-1]}.csv", "Name,Sum\nGas,80\n")
        archive.writestr(f"House {NOTION_ID}/Bills {CHILD_ID[::-1]}_all.csv", "Name,Sum\nGas,80\nWater,30\n")
        archive.writestr(f"House {NOTION_ID}/plan.png", b"\x89PNG")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ExportBlock-1-Part-1.zip", part.getvalue())
    return path


def zip_bomb(path: Path) -> Path:
    """Write an archive of some kilobytes that unpacks to 300 MB of one letter."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.md", "w") as member:
        for _ in range(300):
            member.write(b"a" * (1 << 20))
    return path


def lying_zip_bomb(path: Path) -> Path:
    """Write a bomb whose directory claims that it is small."""
    zip_bomb(path)
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def traversing_zip(path: Path, name: str = "../../outside.md") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "# Outside\n\nText.\n")
    return path


def recording(path: Path, samples: NDArray[np.int16], *, title: str = "") -> Path:
    """Write sound (mono, 16 kHz) as phones and recorders do, in the format of the name's ending."""
    codec, rate = {
        ".wav": ("pcm_s16le", 44_100),
        ".mp3": ("libmp3lame", 44_100),
        ".m4a": ("aac", 48_000),
        ".ogg": ("libopus", 48_000),
        ".flac": ("flac", 22_050),
        ".webm": ("libopus", 48_000),
    }[path.suffix]
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.format.name, "mono", rate, stream.frame_size or 1024)
        sound = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        sound.sample_rate = 16_000
        for frame in [*resampler.resample(sound), *resampler.resample(None), None]:
            container.mux(stream.encode(frame))
    return path


def silent_film(path: Path) -> Path:
    """Write a film without a sound track."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for frame in [picture, None]:
            container.mux(stream.encode(frame))
    return path
