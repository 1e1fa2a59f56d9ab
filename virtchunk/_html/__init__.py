"""HTML for notebooks: plain data in, a string out.

The string is well-formed XML, its size is bounded whatever is shown, and all text is escaped. It
needs no script; colours follow the page it is put into, light or dark.
"""
