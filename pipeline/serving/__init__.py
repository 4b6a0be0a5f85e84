"""One exported model, asked: files by `segline predict`, HTTP requests by `segline serve`."""
