"""How good a model is."""

MAX_NEW_TOKENS, MAX_NEW_TOKENS_DRIVELM = 128, 300
"""Of an answer, its end included; DriveLM's name all objects of six cameras. What was cut short is told."""

STRENGTHS = (1, 2, 3)
"""Of a corruption, from plainly visible to hardly usable."""

JUDGE_THRESHOLD = 0.0
"""Lingo-Judge finds an answer right above this logit."""
LINGOQA, DRIVELM = "lingoqa", "drivelm"
"""The benchmarks, as reports name them."""
