"""What an array is like: data type, chunk layout, units, fill value, and all of them in a schema.

Pure: no I/O, no async. The public classes `Schema` and `ChunkLayout` can be updated in place; each
holds one frozen value (`SchemaConstraints`, `LayoutConstraints`) that every update replaces.
"""
