r"""From the command to the first step, with a cold and a warm cache.

  python -m benchmarks.start

Starts the embedded experiment in new processes until its first step is logged:
once with an empty compilation cache, then with what that left.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks import measuring


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--config', default='configs/streets_active.py')
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--out', type=pathlib.Path)
  options, fields = parser.parse_known_args()
  cold, warm = [], []
  for _ in range(options.repeats):
    with tempfile.TemporaryDirectory() as cache:
      cold.append(first_step(options.config, cache, fields))
      warm.append(first_step(options.config, cache, fields))
  for name, times in (('cold', cold), ('warm', warm)):
    print(f'first step, {name} cache: {measuring.spread(times, " s")}')
  if options.out:
    options.out.write_text(json.dumps({'cold': cold, 'warm': warm}, indent=1))


def first_step(config: str, cache: str, fields: list[str]) -> float:
  """Seconds from the start of a process to its first logged step."""
  with tempfile.TemporaryDirectory() as workdir:
    metrics = pathlib.Path(workdir) / 'run' / 'uda/source_only/metrics.jsonl'
    began = time.monotonic()
    process = subprocess.Popen(
      [
        sys.executable, '-m', 'launch.main', f'--config={config}',
        f'--workdir={workdir}/run', f'--compilation_cache={cache}',
        '--stage=uda', '--config.train.log_every=1', *fields,
      ],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (metrics.exists() and metrics.stat().st_size):
      if process.poll() is not None:
        raise RuntimeError(f'ended with {process.returncode} before a step')
      time.sleep(0.05)
    took = time.monotonic() - began
    process.send_signal(signal.SIGTERM)
    process.wait()
    return took


if __name__ == '__main__':
  sys.exit(main())
