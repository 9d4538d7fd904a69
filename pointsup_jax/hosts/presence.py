"""Which processes of a run are still there: each says so, and each listens.

A process that waits for others, in a step or elsewhere, cannot look after them
itself. So two threads do: one says every second that this process is there and
how far it got, and reads the same of the others; the other ends this process
with one line when one of them is lost. jax has a heartbeat too, but it ends
processes from native code, with a stack trace.
"""

import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, NoReturn

import jax
from jax._src import distributed

# Seconds between two signs of a process; reading them takes a millisecond.
BEAT = 1.0
# Seconds of silence after which a process counts as lost: less than the 100 of
# jax's heartbeat, and far more than a thread has to wait for its turn.
SILENCE = 60.0
# Seconds in which no process gets on, although all are there: more than any
# step, compilation or work of one process for all others takes.
STANDSTILL = 1800.0

_HERE, _FAILED, _LEFT = 'here', 'failed', 'left'
AGAIN = 'start the same command again on all hosts, it continues'


class Presence:
  """The threads, and what they know.

  Attributes:
    index: of this process.
    count: how many there are.
  """

  def __init__(self, silence: float) -> None:
    """Starts listening.

    Args:
      silence: seconds after which a process counts as lost.
    """
    state = distributed.global_state
    self.index, self.count = state.process_id, state.num_processes
    self._store = store()
    self._silence = silence
    self._state, self._marks, self._place = _HERE, 0, ''
    now = time.monotonic()
    self._answered = self._got_on = now  # the store; any process
    self._said = dict.fromkeys(range(self.count), '')
    self._heard = dict.fromkeys(range(self.count), now)
    self._found = threading.Event()  # the watch has found something
    for run in (self._talk, self._watch):
      threading.Thread(target=run, daemon=True).start()

  def mark(self, place: str) -> None:
    """The main thread got on, and is at a place where it waits for others."""
    self._marks += 1
    self._place = place

  def accuse(self, verdict: str) -> NoReturn:
    """Ends this process, saying who is to blame."""
    self._found.set()
    self._linger()
    place = self._place or 'the others in a step'
    say_and_exit(f'{verdict}, while waiting for {place}; {AGAIN}')

  def first_is_lost(self) -> None:
    """Ends this process, unless it is ending already or is the first one."""
    if self._state == _HERE and self.index != 0:
      self.accuse('process 0 is gone')

  def leave(self) -> None:
    """Tells the others that this process ends in good order."""
    self._state = _LEFT

  def fail(self) -> None:
    """Tells the others that this process ends with an error."""
    self._state = _FAILED
    time.sleep(2 * BEAT)
    self._linger()

  def await_verdict(self) -> None:
    """Returns if the watch finds nothing; if it does, it ends this process."""
    if self._found.wait(self._silence + 5 * BEAT):
      threading.Event().wait()

  def _linger(self) -> None:
    # The store is in the first process and ends with it, and with it, by jax's
    # native code, all that have not read there yet what is wrong.
    if self.index == 0:
      time.sleep(5 * BEAT)

  def _talk(self) -> None:
    beat = 0
    while True:
      beat += 1
      try:
        self._store.key_value_set(
          f'presence/{self.index}',
          f'{self._state} {self._marks} {beat}',
          allow_overwrite=True,
        )
        said = self._store.key_value_dir_get('presence/')
      except jax.errors.JaxRuntimeError:  # the store does not answer
        said = []
      else:
        self._answered = time.monotonic()
      self._listen(said)
      time.sleep(BEAT)

  def _listen(self, said: Iterable[tuple[str, str]]) -> None:
    now = time.monotonic()
    for key, value in said:
      index = int(key.rpartition('/')[2])
      before = self._said[index]
      if value != before:
        self._said[index], self._heard[index] = value, now
      if _marks(value) != _marks(before):
        self._got_on = now

  def _watch(self) -> None:
    while True:
      time.sleep(BEAT)
      if self._state == _HERE and (verdict := self._verdict()):
        self.accuse(verdict)

  def _verdict(self) -> str | None:
    """What is wrong, None as long as nothing is."""
    now, answered = time.monotonic(), self._answered
    states = {i: value.partition(' ')[0] for i, value in self._said.items()}
    if failed := [i for i, state in states.items() if state == _FAILED]:
      return f'{self._names(failed)} failed and said why'
    if now - answered > self._silence:
      silent = [0]
    else:  # as long as the store is silent nobody can be heard
      silent = [
        i
        for i, when in self._heard.items()
        if answered - when > self._silence and states[i] != _LEFT
      ]
    if silent:
      return f'nothing heard of {self._names(silent)} for {self._silence:.0f} s'
    if now - self._got_on > STANDSTILL:
      marks = {i: _marks(value) for i, value in self._said.items()}
      last = [i for i in marks if marks[i] == min(marks.values())]
      return f'{self._names(last)} did not get on for {STANDSTILL:.0f} s'
    return None

  def _names(self, indices: list[int]) -> str:
    listed = ', '.join(map(str, indices))
    return f'process{"es" * (len(indices) > 1)} {listed} of {self.count}'


def store() -> Any:
  """The store that the processes of a run share; it has barriers, too."""
  # No public module of jax gives it; Orbax takes it from here as well.
  return distributed.global_state.client


_presence: Presence | None = None


def begin(silence: float) -> None:
  """Starts looking after the processes that have joined."""
  global _presence
  _presence = Presence(silence)


def mark(place: str = '') -> None:
  """The main thread got on.

  Args:
    place: what it waits for now, together with the others, if it has a name.
  """
  if _presence is not None:
    _presence.mark(place)


def first_is_lost() -> None:
  """Ends this process, if it works: its connection to the first one broke."""
  if _presence is not None:
    _presence.first_is_lost()


def leave() -> None:
  """This process ends in good order, as all do."""
  if _presence is not None:
    _presence.leave()


def fail() -> None:
  """This process ends with an error: the others are told, and end as well."""
  if _presence is not None:
    _presence.fail()


def await_verdict() -> None:
  """Returns if no other process is lost; otherwise this one ends.

  A step fails at once where another process is gone, but does not tell which.
  """
  if _presence is not None:
    _presence.await_verdict()


def say_and_exit(line: str, code: int = 1) -> NoReturn:
  """Ends the process at once, though one of its threads waits for others."""
  sys.stdout.flush()
  print(f'error: {line}', file=sys.stderr, flush=True)
  os._exit(code)


def _marks(value: str) -> int:
  return int(value.split()[1]) if value else -1
