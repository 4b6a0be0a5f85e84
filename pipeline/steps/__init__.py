"""The steps. Each is one module with `run(config, inputs, out)`; a step never imports a step."""
