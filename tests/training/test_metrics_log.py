from pointsup_jax.training import metrics_log


def write(path, steps, start_step=0):
  log = metrics_log.MetricsLog(path, start_step=start_step)
  for step in steps:
    log.write(step, {'loss': step / 2})
  log.close()


def steps_of(path):
  return [record['step'] for record in metrics_log.read(path)]


def test_reopening_drops_what_will_be_repeated(tmp_path):
  path = tmp_path / 'uda' / 'metrics.jsonl'
  write(path, [10, 20, 30])
  write(path, [20, 30, 40], start_step=15)
  assert steps_of(path) == [10, 20, 30, 40]


def test_a_half_written_last_line_is_dropped(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  write(path, [10, 20])
  path.write_text(path.read_text() + '{"step": 30, "lo')
  assert steps_of(path) == [10, 20]
  write(path, [30], start_step=20)
  assert steps_of(path) == [10, 20, 30]
