"""`mrcnn inspect`: the page that shows what was read; `drawing.inspect_data` makes it."""
