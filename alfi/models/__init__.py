"""Networks as pure functions (``Model``), and adapters that make them from Flax modules or plain functions."""

from alfi.models.adapters import from_linen, from_nnx
from alfi.models.auto_encoder import auto_encoder
from alfi.models.chunked import chunked
from alfi.models.cnn import cnn
from alfi.models.for_shape import for_shape
from alfi.models.function import from_function
from alfi.models.inception import inception_v3, inception_weights
from alfi.models.linear import linear
from alfi.models.members import init_members
from alfi.models.mixed_precision import mixed_precision
from alfi.models.mlp import mlp
from alfi.models.predictor import predictor, predictor_loss
from alfi.models.regressor import regressor
from alfi.models.resnet import resnet, resnet1d, resnet18
from alfi.models.torchvision import torchvision_weights
from alfi.models.unet import resnet_unet, unet

__all__ = [
    "auto_encoder",
    "chunked",
    "cnn",
    "for_shape",
    "from_function",
    "from_linen",
    "from_nnx",
    "inception_v3",
    "inception_weights",
    "init_members",
    "linear",
    "mixed_precision",
    "mlp",
    "predictor",
    "predictor_loss",
    "regressor",
    "resnet",
    "resnet1d",
    "resnet18",
    "resnet_unet",
    "torchvision_weights",
    "unet",
]
