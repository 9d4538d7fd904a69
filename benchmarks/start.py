r"""From the command to the first step, with a cold and a warm cache.

  python -m benchmarks.start

Starts the embedded experiment in new processes until its first step is logged:
once with an empty compilation cache, then with what that left. Also counts the
programs that each of them adds to the cache.
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
  seconds: dict[str, list[float]] = {'cold': [], 'warm': []}
  programs: dict[str, list[int]] = {'cold': [], 'warm': []}
  for _ in range(options.repeats):
    with tempfile.TemporaryDirectory() as cache:
      before = 0
      for name in seconds:
        seconds[name].append(first_step(options.config, cache, fields))
        after = sum(1 for _ in pathlib.Path(cache).glob('*-cache'))
        programs[name].append(after - before)
        before = after
  for name, times in seconds.items():
    print(
      f'first step, {name} cache: {measuring.spread(times, " s")}, '
      f'{max(programs[name])} programs compiled'
    )
  if options.out:
    found = {'seconds': seconds, 'programs': programs}
    options.out.write_text(json.dumps(found, indent=1))


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
