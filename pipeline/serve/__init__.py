"""`segline serve`: an HTTP server for trying a model. TensorFlow Serving is for production; see docker/serving.md."""
