"""How to open a view: `Spec` and `open`."""

from virtchunk._drivers import known as known
from virtchunk._spec.spec import Spec as Spec
from virtchunk._spec.spec import schema_of_view as schema_of_view
from virtchunk._spec.spec import spec_of_view as spec_of_view
