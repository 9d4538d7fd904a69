from configs import streets_active, streets_best


def test_the_best_differs_from_the_main_job_as_its_docstring_says():
  best, main = streets_best.get_config(), streets_active.get_config()
  for domain in (best.data.source, best.data.target):
    domain.mirror = 0.0
  best.adapt.update(initial='start', steps=500, decay_steps=0, enough_answers=0)
  assert best == main
