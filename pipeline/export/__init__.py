"""What is served: other forms of the model, the proof that it is the evaluated one, promotion."""
