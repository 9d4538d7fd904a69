"""Plots the losses of all phases side by side."""

from collections.abc import Sequence

from pointsup_jax.report import loss_curves as curves_lib
from pointsup_jax.report.figures import style

_ROWS = ((True, 'cross entropy on labels'), (False, "the method's losses"))
_ACROSS = 3  # phases per row


def draw(phases: Sequence[curves_lib.Curves]) -> bytes:
  """Draws a PNG with the logged losses and, in front, smoothed ones."""
  names = sorted({curve.name for phase in phases for curve in phase.curves})
  colors = {
    name: style.COLORS[i % len(style.COLORS)] for i, name in enumerate(names)
  }
  across = min(len(phases), _ACROSS)
  bands = -(-len(phases) // across)
  with style.look():
    fig = style.new(0.5 + 3.4 * bands)
    grid = fig.subplots(2 * bands, across, squeeze=False)
    for ax in grid.flat:
      ax.set_visible(False)
    for i, phase in enumerate(phases):
      for row, (supervised, title) in enumerate(_ROWS):
        ax = grid[2 * (i // across) + row, i % across]
        curves = [x for x in phase.curves if x.supervised == supervised]
        if not curves:
          continue
        ax.set_visible(True)
        for curve in curves:
          ax.plot(
            curve.steps,
            curve.values,
            color=colors[curve.name],
            alpha=0.25,
            linewidth=0.7,
          )
          ax.plot(
            curve.steps,
            curves_lib.smoothed(curve.values),
            color=colors[curve.name],
            linewidth=1.4,
            label=curve.name,
          )
        ax.set_ylim(bottom=0)
        ax.grid()
        ax.legend(loc='upper right')
        if supervised:
          ax.set_title(style.short(phase.title, 40), loc='left')
        before = grid[2 * (i // across) + row, : i % across]
        if not any(other.get_visible() for other in before):
          ax.set_ylabel(title)
        ax.set_xlabel('step')
    return style.png(fig)
