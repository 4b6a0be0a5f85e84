"""What runs, and in what order: recipe, graph, runner, steps."""
