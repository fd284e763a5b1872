"""Train landmark networks on one image domain so that they work on domains nobody has seen (DeGIA, arXiv 1905.12028)."""

from monai_degia.data.datalist import list_images, load_datalist
from monai_degia.data.growing import GrowingDataset
from monai_degia.data.landmark_sets import HAND17, HAND21, LANDMARK_SETS, flip_permutation, landmark_names
from monai_degia.data.pool import GeneratedPool
from monai_degia.data.sampler import GrowingSampler
from monai_degia.data.splits import merge_datalists, split_datalist
from monai_degia.engines.batches import PrepareLandmarkBatch
from monai_degia.engines.checkpoints import BestModelSaver, RunCheckpoint
from monai_degia.engines.errors import show_short_errors
from monai_degia.engines.generated_images import GeneratedImagesHandler
from monai_degia.engines.handlers import EpochSeedHandler, MaximizationHandler
from monai_degia.engines.keys import DeGIAKeys, MaximizationEvents, scalar_output
from monai_degia.engines.maximizer import AdversarialMaximizer
from monai_degia.engines.progress import PhaseProgress
from monai_degia.engines.trainer import DeGIATrainer
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.landmark import LandmarkMSELoss
from monai_degia.losses.objective import AscentObjective
from monai_degia.metrics.handlers import (
    LandmarkMSE,
    MeanRadialError,
    NormalizedMeanError,
    SuccessDetectionRate,
)
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.transforms.adversarial import AdversarialAscent, AdversarialAscentd
from monai_degia.transforms.ascent import gradient_ascent
from monai_degia.transforms.landmarks import FlipMarkedd, LandmarksToImaged, LandmarksToWorldd
from monai_degia.transforms.modality import LoadAnyImaged, MatchChannelsd, ScaleModalityd
from monai_degia.transforms.spacing import PixelSpacingd
from monai_degia.transforms.warp import RandPoseWarpd, RandSmoothWarpd
from monai_degia.writers.overlay import draw_landmarks, save_overlay_grid
from monai_degia.writers.report import LandmarkReport

__version__ = "0.1.0"
