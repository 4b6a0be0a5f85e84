"""The names of the steps, in the order in which they run. Imports nothing: `--help` reads them too.

orchestration/graph.py says what each of them reads and writes, and asserts that it knows them all.
"""

INGEST, VALIDATE, TRAIN, EVALUATE, GATE, EXPORT = "ingest", "validate", "train", "evaluate", "gate", "export"

STEP_NAMES = (INGEST, VALIDATE, TRAIN, EVALUATE, GATE, EXPORT)
