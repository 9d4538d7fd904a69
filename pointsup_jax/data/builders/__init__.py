"""TFDS builders of the data sets that come as files."""

from pointsup_jax.data.builders.cityscapes import Cityscapes
from pointsup_jax.data.builders.gta5 import Gta5
from pointsup_jax.data.builders.image_folder import ImageFolder
from pointsup_jax.data.builders.synthia_rand_cityscapes import (
  SynthiaRandCityscapes,
)

BUILDERS = {
  builder.name: builder
  for builder in (Gta5, SynthiaRandCityscapes, Cityscapes, ImageFolder)
}
