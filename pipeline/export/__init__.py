"""Contents of an exported model: its facts, model card and other formats, and its parity with the evaluated model."""
