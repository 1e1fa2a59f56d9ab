"""The demonstration: shaded relief of a real landscape, computed chunk by chunk.

`terrain` is plain NumPy, `landscape` puts it behind virtual views, `virtchunk.cli` draws it.
"""

__all__ = ()
