import people
import pytest

from pointsup_jax.annotation import effort, records


@pytest.fixture
def measured(store):
  """The efforts of answers given to the points '0' to '19'."""
  points = [people.request('a', 0, i)._replace(id=str(i)) for i in range(20)]
  store.add_image('a', (8, 32), 0.5, points)

  def measured(given):
    for point, who, answer, active, seconds in given:
      how = records.How(active, 'blind')
      if answer == 'label':
        store.answer(point, 1, who, seconds, how)
      else:
        store.mark(point, answer, who, seconds, how)
    return effort.measure(store.database)

  return measured


def said(point, who, answer='label', active=None, seconds=None):
  return point, who, answer, active, seconds


def test_times_are_told_by_annotator_and_of_all(measured):
  given = [said(str(i), 'ana', active=float(i)) for i in range(1, 11)]
  given += [said('11', 'bo', 'unsure', 20.0), said('12', 'bo', 'skip', 9.0)]
  ana, bo, everybody = measured(given)
  assert (ana.annotator, ana.answers, ana.unsure) == ('ana', 10, 0)
  assert ana.median == 5.5
  assert ana.p90 == pytest.approx(9.1)
  assert ana.hours == pytest.approx(55 / 3600)
  assert (bo.answers, bo.unsure, bo.unsure_share) == (1, 1, 1.0)
  assert everybody.answers == 11
  assert everybody.hours == pytest.approx(75 / 3600)


def test_one_annotator_has_no_sum(measured):
  assert measured([]) == []
  assert len(measured([said('1', 'ana')])) == 1


def test_other_tools_give_the_time_of_an_answer(measured):
  given = [
    said('1', 'ana', seconds=10.0),
    said('2', 'ana'),
    said('1', 'bo', seconds=20.0),
    said('3', 'bo', active=2.0, seconds=90.0),  # with a pause
  ]
  ana, bo, everybody = measured(given)
  assert (ana.timed, ana.median) == (1, 10.0)
  assert (bo.timed, bo.median) == (2, 11.0)
  assert everybody.hours == pytest.approx(32 / 3600)
