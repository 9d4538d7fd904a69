"""Formats tables as Markdown, LaTeX or aligned text."""

from collections.abc import Sequence

_LATEX = {
  '\\': r'\textbackslash{}',
  '{': r'\{',
  '}': r'\}',
  '$': r'\$',
  '&': r'\&',
  '#': r'\#',
  '%': r'\%',
  '_': r'\_',
  '^': r'\textasciicircum{}',
  '~': r'\textasciitilde{}',
  '±': r'$\pm$',
}

_WIDTH = 80
_NAME_WIDTH = 24
_GAP = 2
_NUMBER_WIDTH = 6  # '+100.0'


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Formats a table as Markdown, without a final newline."""
  rule = ['---'] * len(header)
  return '\n'.join(f'| {" | ".join(row)} |' for row in (header, rule, *rows))


def latex(
  header: Sequence[str],
  rows: Sequence[Sequence[str]],
  *,
  columns: str,
  packages: str = 'booktabs',
) -> str:
  """Formats a table as a LaTeX tabular, with cells already in LaTeX.

  `columns` is its column specification, such as 'lrr'; a comment names the
  required `packages`.
  """
  titles, *lines = (' & '.join(row) + r' \\' for row in (header, *rows))
  return '\n'.join(
    [
      rf'% \usepackage{{{packages}}}',
      rf'\begin{{tabular}}{{{columns}}}',
      r'\toprule',
      titles,
      r'\midrule',
      *lines,
      r'\bottomrule',
      r'\end{tabular}',
      '',
    ]
  )


def escaped(text: str) -> str:
  """Escapes text for LaTeX."""
  return ''.join(_LATEX.get(character, character) for character in text)


def aligned(
  header: Sequence[str], rows: Sequence[Sequence[str]], footer: int = 0
) -> str:
  """Formats aligned text, within 80 columns if possible; long cells are cut.

  The last `footer` rows come below a second rule.
  """
  table = [header, *rows]
  first = min(max(len(line[0]) for line in table), _NAME_WIDTH)
  room = (_WIDTH - first) // max(len(header) - 1, 1) - _GAP
  widths = [
    min(max(len(cell) for cell in column), max(room, _NUMBER_WIDTH))
    for column in list(zip(*table, strict=True))[1:]
  ]
  lines = [
    _fit(name, first).ljust(first)
    + ''.join(
      ' ' * _GAP + _fit(cell, width).rjust(width)
      for cell, width in zip(cells, widths, strict=True)
    )
    for name, *cells in table
  ]
  rule = '-' * len(lines[0])
  lines.insert(len(lines) - footer, rule)
  lines.insert(1, rule)
  return '\n'.join(line.rstrip() for line in lines)


def _fit(text: str, width: int) -> str:
  return text if len(text) <= width else text[: width - 1] + '~'
