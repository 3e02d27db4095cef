"""Maps between data units and model space, with their log-determinants."""

from genzoo.data.transforms.affine import AffineTransform as AffineTransform
from genzoo.data.transforms.affine import fit_transform as fit_transform
from genzoo.data.transforms.transform import Transform as Transform
from genzoo.data.transforms.transform import observed as observed
from genzoo.data.transforms.transform import place_on_grid as place_on_grid
from genzoo.data.transforms.transform import to_model_space as to_model_space
