"""Video: RGB frames to h264 mp4 and back, through PyAV, on one integer clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import av.error
import av.video
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.core.io import atomic_file


@dataclass(frozen=True)
class VideoConfig:
    """How frames are compressed.

    The default keeps 64x64 training frames nearly exact: on rendered table-top scenes 53 dB PSNR
    and at most 2 grey levels off, at 0.75 MB per 1,000 frames. The loss is only the RGB-YUV
    rounding. With halved chroma (`yuv420p`), which players prefer, the same scenes give 34 dB and
    errors of 150 levels at the edges of small coloured objects, at any `crf`.
    """

    crf: int = 0
    """Constant rate factor of x264, 0 (lossless in YUV) to 51 (worst)."""
    pix_fmt: str = "yuv444p"
    """`yuv444p` (full colour), or `yuv420p` (halved chroma, even sizes; plays in any browser)."""
    gop: int = 10
    """Frames between key frames: a random access decodes at most this many."""
    preset: str = "veryfast"
    """Speed of the encoder, an x264 preset."""


PLAYABLE = VideoConfig(crf=18, pix_fmt="yuv420p", gop=30)
"""For people to watch: small, and every browser plays it."""


class VideoEncoder:
    """One mp4 file that grows by frames; frame k is shown at k / fps seconds, exactly."""

    def __init__(
        self, path: Path | str, height: int, width: int, fps: int, config: VideoConfig | None = None
    ) -> None:
        """Open `path` (written in place) for frames of (height, width, 3) uint8 at `fps` [Hz]."""
        config = config or VideoConfig()
        if config.pix_fmt == "yuv420p" and (height % 2 or width % 2):
            raise DatasetError(
                f"yuv420p video needs even sizes, got {height}x{width}; use pix_fmt='yuv444p'"
            )
        self.num_frames = 0
        self.num_bytes = 0
        self._shape = (height, width, 3)
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        options = {
            "crf": str(config.crf),
            "g": str(config.gop),
            "preset": config.preset,
            "bf": "0",  # frames are stored in the order they are shown
            "threads": "1",  # the bytes do not depend on the machine's cores
        }
        self._stream = self._container.add_stream("libx264", rate=fps, options=options)
        self._stream.height, self._stream.width = height, width
        self._stream.pix_fmt = config.pix_fmt

    def add(self, frames: NDArray[np.uint8], starts_episode: bool = False) -> None:
        """Append (T, H, W, 3) uint8; `starts_episode` puts a key frame first."""
        if frames.dtype != np.uint8 or frames.shape[1:] != self._shape:
            raise DatasetError(
                f"a video of {self._shape} uint8 was given {frames.shape[1:]} {frames.dtype}"
            )
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = self.num_frames
            if starts_episode and i == 0:
                frame.pict_type = PictureType.I
            self._mux(frame)
            self.num_frames += 1

    def close(self) -> None:
        """Flush and finish the file."""
        self._mux(None)
        self._container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self.num_bytes += packet.size
            self._container.mux(packet)


def write_mp4(path: Path | str, frames: Iterable[NDArray[np.uint8]], fps: int) -> Path:
    """Write frames (H, W, 3) uint8 as an mp4 to watch, atomically; odd sizes are padded to even.

    `frames` is (T, H, W, 3), or anything that yields one frame after another: what it yields is
    compressed at once and not kept.
    """
    path, encoder = Path(path), None
    with atomic_file(path) as temporary:
        try:
            for frame in frames:
                array = np.asarray(frame)
                if array.ndim != 3 or array.shape[-1] != 3:
                    raise DatasetError(
                        f"video frames must be (T>=1, H, W, 3) uint8, got a frame {array.shape}"
                    )
                height, width = array.shape[:2]
                padding = ((0, height % 2), (0, width % 2), (0, 0))
                array = np.pad(array, padding, mode="edge")
                if encoder is None:
                    encoder = VideoEncoder(temporary, *array.shape[:2], fps=fps, config=PLAYABLE)
                encoder.add(array[None])
        finally:
            if encoder is not None:
                encoder.close()
        if encoder is None:
            shape = getattr(frames, "shape", (0,))
            raise DatasetError(f"video frames must be (T>=1, H, W, 3) uint8, got shape {shape}")
    return path


def iterate_video(path: Path | str, start: int = 0, fps: int = 0) -> Iterator[tuple[int, NDArray]]:
    """Yield (frame number, (H, W, 3) uint8) from frame `start` on.

    Frame numbers are the presentation time times `fps` (0: the file's own rate), rounded.

    Raises:
        DatasetError: the file is missing or cannot be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"video {path} is missing; restore it or collect the dataset again")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = fps or int(cast(int, stream.average_rate))
            base = stream.time_base
            assert base is not None  # every video stream of an opened file has one
            if start > 0:
                # half a frame late, then backward to the key frame at or before `start`
                container.seek(int((start + 0.5) / rate / base), stream=stream)
            for frame in container.decode(stream):
                number = round(cast(int, frame.pts) * base * rate)
                if number >= start:
                    yield number, frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, IndexError) as error:
        raise undecodable(path, error) from None


def read_frames(
    path: Path | str, start: int, count: int, shape: Sequence[int], fps: int
) -> NDArray[np.uint8]:
    """Frames start .. start + count of a video, (count, H, W, 3) uint8.

    Raises:
        DatasetError: the video is missing, cut, of another size, or lacks a frame.
    """
    out = np.empty((count, *shape), np.uint8)
    expected = start
    for number, image in iterate_video(path, start, fps):
        if number >= start + count:
            break
        if number != expected or image.shape != tuple(shape):
            raise wrong_frame(path, expected, shape, number, image.shape)
        out[number - start] = image
        expected += 1
    if expected != start + count:
        raise missing_frames(path, expected, start, start + count - 1)
    return out


def undecodable(path: Path | str, error: Exception) -> DatasetError:
    """A file that is no video, or one that is damaged."""
    return DatasetError(
        f"video {path} cannot be decoded ({error}); restore it or collect the dataset again"
    )


def wrong_frame(
    path: Path | str, expected: int, shape: Sequence[int], number: int, got: Sequence[int]
) -> DatasetError:
    """Another frame, or one of another size, where one was expected."""
    return DatasetError(
        f"video {path}: expected frame {expected} of shape {tuple(shape)}, got frame "
        f"{number} of shape {tuple(got)}; run `octoworld dataset check`"
    )


def missing_frames(path: Path | str, end: int, first: int, last: int) -> DatasetError:
    """A video that is over before frames that were asked for."""
    return DatasetError(
        f"video {path} ends at frame {end}, but frames {first}..{last} were asked for; it was cut: "
        "restore it or collect the dataset again"
    )
