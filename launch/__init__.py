"""The commands; each is a file of flags and one call."""

import os

# Before jax is imported: its native code warns of the feature by which a lost
# process is named.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
