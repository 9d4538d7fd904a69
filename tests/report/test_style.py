from pointsup_jax.report.figures import style


def test_classes_whose_names_the_font_lacks_have_numbers():
  names = ('road', '道路', 'Straße', 'дом', 'x' * 30)
  shown = style.class_labels(names)
  assert shown == ['road', 'class 1', 'Straße', 'дом', 'x' * 23 + '…']
