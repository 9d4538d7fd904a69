import os
import pathlib

import jax
import pytest

# Tests compile far more than they compute. Without these optimisations a
# training step compiles in a quarter of the time. The commands that tests
# start inherit the flags. XLA reads them with the first array, and ends the
# process if it does not know one.
_FLAGS = ['--xla_backend_optimization_level=0']
if jax.__version_info__ < (0, 12):
  _FLAGS.append('--xla_cpu_use_fusion_emitters=false')
os.environ['XLA_FLAGS'] = ' '.join([os.environ.get('XLA_FLAGS', ''), *_FLAGS])

REPOSITORY = pathlib.Path(__file__).parents[1]
SHARED = REPOSITORY.parent / 'shared'

# Keep compiled programs for the next test run.
jax.config.update(
  'jax_compilation_cache_dir', str(pathlib.Path.home() / '.cache/pointsup_jax')
)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
  """The folder of reference numbers and real images beside the project."""
  if not SHARED.is_dir():
    pytest.skip(f'reference data are not here: no folder {SHARED}')
  return SHARED
