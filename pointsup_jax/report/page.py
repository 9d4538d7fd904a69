"""Renders the report as one self-contained HTML file."""

import base64
import datetime
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jinja2
import numpy as np

from pointsup_jax.hosts import wording
from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report import contents as contents_lib
from pointsup_jax.report import held_back, kept_checkpoints


class Drawing(NamedTuple):
  """A figure with its alternative text."""

  file: str  # name in the report folder
  png: bytes
  alt: str

  @property
  def width(self) -> int:
    """In pixels, from the PNG header."""
    return int.from_bytes(self.png[16:20], 'big')

  @property
  def height(self) -> int:
    """In pixels, from the PNG header."""
    return int.from_bytes(self.png[20:24], 'big')

  @property
  def uri(self) -> str:
    """The picture as a data URI."""
    return 'data:image/png;base64,' + base64.b64encode(self.png).decode()


def render(
  contents: contents_lib.Contents,
  pictures: Mapping[str, Drawing],
  notes: Sequence[str],
  verdict: Sequence[str],
  written: datetime.datetime,
) -> str:
  """Renders the page; names from users' files are escaped.

  `pictures` are keyed by their place in the template, and any may be missing;
  `notes` list what is missing; `verdict` are the sentences of `verdict`;
  `written` is the current time in UTC.
  """
  last = contents.scores[-1] if contents.scores else None
  return (
    environment()
    .get_template('report.html')
    .render(
      title=contents.title,
      contents=contents,
      pictures=pictures,
      notes=notes,
      verdict=verdict,
      written=written,
      names=contents.classes.names,
      checkpoints=kept_checkpoints.rows(contents.checkpoints),
      differences=scores_lib.differences(contents.scores),
      worst=scores_lib.worst_confusions(last.matrix) if last else [],
      absent=bool(last and np.isnan(last.iou).any()),
      false_alarms=scores_lib.false_alarms(last.matrix) if last else [],
      about_points=(
        held_back.sentences(contents.on_points) if contents.on_points else []
      ),
      gain=held_back.gain,
      share=held_back.share,
      disagreement=clicks_lib.disagreement,
      corrections=clicks_lib.corrections,
    )
  )


def environment(*packages: str) -> jinja2.Environment:
  """Templates of the report and of `packages`; what they insert is escaped."""
  loaders = [
    jinja2.PackageLoader(package)
    for package in ('pointsup_jax.report', *packages)
  ]
  found = jinja2.Environment(
    loader=jinja2.ChoiceLoader(loaders),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  found.filters |= {
    'percent': percent,
    'points': points,
    'duration': wording.duration,
    'whole': lambda number: f'{number:,}',
    'hex': lambda color: '#{:02x}{:02x}{:02x}'.format(*color),
  }
  return found


def percent(share: float | None, decimals: int = 1) -> str:
  """Formats a share in percent; '–' for None and NaN."""
  if share is None or np.isnan(share):
    return '–'
  return f'{100 * share:.{decimals}f}'


def points(difference: float) -> str:
  """Formats a difference of shares in signed percentage points."""
  return '–' if np.isnan(difference) else f'{100 * difference:+z.1f}'
