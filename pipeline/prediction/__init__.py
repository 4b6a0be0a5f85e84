"""An exported model asked about images, folders and videos."""
