"""Running a recipe: the graph, what each step needs and why, child processes, and what follows a step."""
