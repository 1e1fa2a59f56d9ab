"""Chunk planning: which chunks a request touches, and which part of each. Pure, never awaits."""
