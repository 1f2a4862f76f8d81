"""colornet gives grey photographs their colours."""

import os

# TensorFlow prints start-up notes that say nothing to who wants a photo coloured.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
