"""Resources shared by views: what a `Context` defines, and the live objects behind it."""

from virtchunk._context.context import Context as Context
from virtchunk._context.context import live as live
from virtchunk._context.kinds import provide as provide
from virtchunk._context.references import Reference as Reference
from virtchunk._context.references import bind as bind
from virtchunk._context.references import parse_reference as parse_reference
from virtchunk._context.references import reference_to_json as reference_to_json
from virtchunk._context.references import unbind as unbind
