"""Computed chunks kept for reuse: one pool of bytes for all views of a context."""
