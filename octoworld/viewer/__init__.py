"""Watch a recorded run: in the browser (`app.serve`), or as a page of pictures (`page`)."""
