"""Resources shared by views: what a `Context` defines, and the live objects behind it."""

from virtchunk._context.context import Context as Context
from virtchunk._context.context import live as live
from virtchunk._context.kinds import provide as provide
