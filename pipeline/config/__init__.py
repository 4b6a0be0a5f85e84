"""The recipe as types: every setting of a run, frozen, with no unknown key."""
