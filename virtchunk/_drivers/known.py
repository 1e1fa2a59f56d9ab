"""The drivers that a spec can name: each registers itself when its module is imported."""

from __future__ import annotations

from virtchunk._drivers.array_spec import ArraySpec
from virtchunk._drivers.cast_spec import CastSpec
from virtchunk._drivers.downsample_spec import DownsampleSpec
from virtchunk._drivers.stack_spec import StackSpec
from virtchunk._drivers.virtual_spec import VirtualSpec

__all__ = ("ArraySpec", "CastSpec", "DownsampleSpec", "StackSpec", "VirtualSpec")
