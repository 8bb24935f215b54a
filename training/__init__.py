"""LEO's two-stage recipe: python -m training.train RECIPE.yaml"""

import logging

# transformers' Trainer imports bitsandbytes where it is installed, which on CPUs with bfloat16 looks for a
# faster kernel on the hub and warns that there is none: at every start, of every run, four bits or not.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
