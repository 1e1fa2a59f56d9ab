"""Where a view's elements come from: one module per driver, behind one small interface."""
