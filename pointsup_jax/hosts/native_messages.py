"""What native code says on the error stream, and its last word in one line.

Where the first process is gone, jax's native code notices at once, says so over
a screen and aborts. No option changes that, and a callback from Python crashes
it (`std::bad_cast`, jax 0.10.2). So its messages pass through here.
"""

import atexit
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

# Of jax's coordination service, when it is about to abort.
_LAST_WORD = b'JAX distributed service detected fatal errors'
# Where what it says before comes from, and that a signal came; lines that begin
# otherwise go on.
_SOURCES = (
  b'coordination_service',
  b'preemption_sync_manager',
  b'preemption_notifier',
)
_GOES_ON = (b'Additional GRPC', b':UNKNOWN', b'RPC: ', b'\n')
# Seconds that the end of the process waits until all messages are read.
_PATIENCE = 3.0


def watch(lost: Callable[[], None]) -> None:
  """Lets native messages through, but those of a lost first process.

  Args:
    lost: called in their place, in a thread; it ends the process.
  """
  shown = os.dup(2)
  read, write = os.pipe()
  # Python's own messages do not take the way through the pipe.
  sys.stderr.flush()
  sys.stderr = os.fdopen(os.dup(shown), 'w', buffering=1)
  os.dup2(write, 2)
  os.close(write)
  thread = threading.Thread(
    target=_pass_on, args=(read, shown, lost), daemon=True
  )
  thread.start()

  def end() -> None:
    os.dup2(shown, 2)  # closes the pipe
    thread.join(_PATIENCE)

  atexit.register(end)
  # An abort waits while its last word is read: 6 s, the signal's own number, in
  # libc's sleep(). Python's handlers run in the main thread, which waits
  # elsewhere, and a callback would have to wait for the interpreter's lock.
  libc = ctypes.CDLL(None)
  libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
  libc.signal(signal.SIGABRT, ctypes.cast(libc.sleep, ctypes.c_void_p))


def _pass_on(read: int, shown: int, lost: Callable[[], None]) -> None:
  held = False
  with os.fdopen(read, 'rb') as messages:
    for line in messages:
      if _LAST_WORD in line:
        lost()
      held = any(source in line for source in _SOURCES) or (
        held and line.startswith(_GOES_ON)
      )
      if not held:
        os.write(shown, line)
