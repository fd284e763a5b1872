"""Landmark networks trained on one image domain that work on domains nobody has seen (DeGIA, arXiv 1905.12028)."""

from monai_degia.ascent.adversarial import AdversarialAscent, AdversarialAscentd
from monai_degia.ascent.appearance import AppearanceParametrization, random_appearance
from monai_degia.ascent.gradient_ascent import STEP_RULES, gradient_ascent
from monai_degia.ascent.one_of import OneOfAscents
from monai_degia.ascent.parametrization import (
    LatentParametrization,
    Parametrization,
    PixelParametrization,
    ReflectedParametrization,
)
from monai_degia.ascent.starts import PARAMETRIZATIONS
from monai_degia.ascent.warp import WarpParametrization
from monai_degia.augment.background import RandBackgroundd
from monai_degia.augment.convolution import random_convolution
from monai_degia.augment.geometry import RandGeometryd
from monai_degia.augment.prolongation import RandProlongation
from monai_degia.augment.random_convolution import RandConv, RandConvd
from monai_degia.augment.strokes import RandStrokesd
from monai_degia.augment.warp import RandPoseWarpd, RandSmoothWarpd
from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.items import load_digits, load_made_digits, load_mnist_m_from
from monai_degia.data.digits.made_sets import make_digits
from monai_degia.data.digits.mnist_m import make_mnist_m
from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.predictions import PREDICTION_FORMATS, write_predictions
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations
from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.image_folders import list_images
from monai_degia.data.lists.landmark_sets import (
    HAND17,
    HAND21,
    LANDMARK_SETS,
    LandmarkSet,
    flip_permutation,
    landmark_names,
    landmark_set,
)
from monai_degia.data.lists.splits import checked_splits, merge_datalists, mix_datalists, split_datalist
from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.data.pool.prefetch import PrefetchLoader
from monai_degia.data.pool.reading import ReadOnceDataset
from monai_degia.data.pool.sampler import GrowingSampler
from monai_degia.data.published.dha import load_dha
from monai_degia.data.published.freihand import load_freihand, load_onehand10k
from monai_degia.data.published.joints import JOINT_MAPPING, mapped_joints
from monai_degia.data.published.nyu import load_nyu
from monai_degia.data.published.rhpe import load_rhpe
from monai_degia.data.published.rsna import load_rsna
from monai_degia.data.rendered.dataset import render_hand, write_synthetic_dataset
from monai_degia.data.rendered.extended import classes_by_extended_fingers, count_extended_fingers
from monai_degia.data.rendered.scene import render_faded_hand
from monai_degia.engines.augmented_batch import PrepareAugmentedBatch
from monai_degia.engines.autocast import AutocastInferer
from monai_degia.engines.batches import PrepareClassBatch, PrepareLandmarkBatch
from monai_degia.engines.checkpoints import BestModelSaver, RunCheckpoint
from monai_degia.engines.errors import show_short_errors
from monai_degia.engines.evaluator import LandmarkEvaluator
from monai_degia.engines.generated_images import GeneratedImagesHandler
from monai_degia.engines.handlers import EpochSeedHandler, MaximizationHandler
from monai_degia.engines.learning_rate import LearningRateLog
from monai_degia.engines.maximizer import AdversarialMaximizer
from monai_degia.engines.progress import PhaseProgress
from monai_degia.engines.scores import ScoresHandler
from monai_degia.engines.trainer import DeGIATrainer
from monai_degia.engines.views import ViewsInferer
from monai_degia.engines.weight_average import WeightAverage, averaged_network
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.flows.prior import ClassConditionalPrior
from monai_degia.flows.real_nvp import RealNVP
from monai_degia.flows.wavelet_flow import WaveletFlow
from monai_degia.inferers.hands import hand_inferer, picture_size
from monai_degia.inferers.motions import Motions
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.inferers.tone_curves import TONE_CURVES
from monai_degia.losses.classification import ClassificationLoss, cross_entropy, prediction_entropy
from monai_degia.losses.consistency import ViewsLoss, consistency_loss, prediction_variance
from monai_degia.losses.degia import gaussian_wasserstein, negative_log_likelihood, prediction_shift, transport_cost
from monai_degia.losses.heatmap import HeatmapLoss, heatmap_divergence, landmark_loss
from monai_degia.losses.landmark import LandmarkMSELoss, landmark_mse
from monai_degia.losses.objective import AscentObjective
from monai_degia.losses.per_sample import PerSampleLoss
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration
from monai_degia.metrics.calibration_fit import ObservedErrors, fit_calibration
from monai_degia.metrics.errors import (
    hand_size,
    landmark_size,
    nme,
    normalized_mse,
    pck,
    pck_auc,
    radial_error,
    success_detection_rate,
)
from monai_degia.metrics.handlers import (
    PCKAUC,
    LandmarkMSE,
    MeanRadialError,
    NormalizedMeanError,
    PercentageOfCorrectKeypoints,
    SuccessDetectionRate,
)
from monai_degia.metrics.landmark_metrics import (
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKAUCMetric,
    PCKMetric,
    SuccessDetectionRateMetric,
)
from monai_degia.metrics.summary import summarize_landmarks
from monai_degia.networks.backbones import BACKBONES, create_backbone
from monai_degia.networks.digit_lenet import DigitLeNet
from monai_degia.networks.inference_copy import inference_copy
from monai_degia.networks.onnx_network import OnnxNetwork
from monai_degia.networks.regressor import LandmarkRegressor
from monai_degia.networks.weights import load_weights
from monai_degia.reading.crop import CropBoxd
from monai_degia.reading.depth_encoding import DecodeDepthd
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.fit import FitToSized
from monai_degia.reading.guarded import GuardedCompose
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import (
    DenormalizeLandmarksd,
    FlipMarkedd,
    LandmarksToImaged,
    LandmarksToWorldd,
    NormalizeLandmarksd,
    RandFlipLandmarksd,
    denormalize_landmarks,
    landmarks_to_original,
    normalize_landmarks,
)
from monai_degia.reading.metaimage import MetaImageReader
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd, depth_to_image
from monai_degia.reading.picture import KeepPictured
from monai_degia.reading.spacing import PixelSpacingd
from monai_degia.reading.upright import TurnUprightd
from monai_degia.reading.xray.reader import XRayReader
from monai_degia.reports.calibration_file import CalibrationWriter
from monai_degia.reports.class_report import ClassificationReport
from monai_degia.reports.html_report import HtmlReport
from monai_degia.reports.landmark_files import LandmarkFileWriter
from monai_degia.reports.report import LandmarkReport
from monai_degia.reports.score_report import ScoreReport
from monai_degia.results.keys import DeGIAKeys, MaximizationEvents, RunEvents, scalar_output, stacked_from_engine
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.overlay import draw_landmarks, save_overlay_grid
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction
from monai_degia.results.prediction import LandmarkPrediction as LandmarkRecord
from monai_degia.results.structured_report import StructuredReportWriter
from monai_degia.shifts.appearance import AppearanceShiftd, shifted_copies
from monai_degia.shifts.copies import calibration_copies
from monai_degia.shifts.digits import DigitShiftd, shifted_digits
from monai_degia.shifts.framing import Reframed
from monai_degia.shifts.pose import PoseShiftd

__version__ = "0.5.0"

from monai_degia.engines.bundle_config import bundle_root, check_config, component_config
from monai_degia.engines.run_folder import check_training_folder, claim_run, release_run
from monai_degia.engines.training_log import TrainingLog
from monai_degia.engines.validation_overlays import ValidationOverlays
from monai_degia.errors import UserError
from monai_degia.flows.source_likelihood import source_bits_per_dim
from monai_degia.inferers.single_pass import SinglePassInferer
from monai_degia.model.description import ModelDescription
from monai_degia.model.initial_weights import initial_weights
from monai_degia.model.trained_model import TrainedModel, trained_network
from monai_degia.networks.precision import native_bfloat16
from monai_degia.reading.modality import ScaleBytesd
from monai_degia.reading.preprocessing import LandmarkPreprocessing

__all__ = [
    "ANNOTATION_FORMATS",
    "BACKBONES",
    "HAND17",
    "HAND21",
    "JOINT_MAPPING",
    "LANDMARK_SETS",
    "PARAMETRIZATIONS",
    "PCKAUC",
    "PREDICTION_FORMATS",
    "STEP_RULES",
    "TONE_CURVES",
    "AdversarialAscent",
    "AdversarialAscentd",
    "AdversarialMaximizer",
    "AnnotatedImage",
    "AnnotationSet",
    "AppearanceParametrization",
    "AppearanceShiftd",
    "AscentObjective",
    "AutocastInferer",
    "BestModelSaver",
    "CalibrationWriter",
    "ClassConditionalPrior",
    "ClassificationLoss",
    "ClassificationReport",
    "CropBoxd",
    "DeGIAKeys",
    "DeGIATrainer",
    "DecodeDepthd",
    "DenormalizeLandmarksd",
    "DigitImages",
    "DigitLeNet",
    "DigitShiftd",
    "EpochSeedHandler",
    "ErrorModel",
    "FileGeometryd",
    "FitToSized",
    "FlipMarkedd",
    "FlowPrior",
    "GeneratedImagesHandler",
    "GeneratedPool",
    "GrowingDataset",
    "GrowingSampler",
    "GuardedCompose",
    "HeatmapLoss",
    "HtmlReport",
    "KeepPictured",
    "LandmarkEvaluator",
    "LandmarkFileWriter",
    "LandmarkMSE",
    "LandmarkMSELoss",
    "LandmarkMSEMetric",
    "LandmarkPrediction",
    "LandmarkPreprocessing",
    "LandmarkRecord",
    "LandmarkRegressor",
    "LandmarkReport",
    "LandmarkSet",
    "LandmarksToImaged",
    "LandmarksToWorldd",
    "LatentParametrization",
    "LearningRateLog",
    "LoadAnyImaged",
    "MarkupsWriter",
    "MatchChannelsd",
    "MaximizationEvents",
    "MaximizationHandler",
    "MeanRadialError",
    "MeanRadialErrorMetric",
    "MetaImageReader",
    "ModelDescription",
    "Motions",
    "NormalizeLandmarksd",
    "NormalizedMeanError",
    "NormalizedMeanErrorMetric",
    "ObservedErrors",
    "OneOfAscents",
    "OnnxNetwork",
    "OverlayWriter",
    "PCKAUCMetric",
    "PCKMetric",
    "Parametrization",
    "PerSampleLoss",
    "PercentageOfCorrectKeypoints",
    "PhaseProgress",
    "PixelParametrization",
    "PixelSpacingd",
    "PoseShiftd",
    "PrefetchLoader",
    "PrepareAugmentedBatch",
    "PrepareClassBatch",
    "PrepareLandmarkBatch",
    "RandBackgroundd",
    "RandConv",
    "RandConvd",
    "RandFlipLandmarksd",
    "RandGeometryd",
    "RandPoseWarpd",
    "RandProlongation",
    "RandSmoothWarpd",
    "RandStrokesd",
    "ReadOnceDataset",
    "RealNVP",
    "ReflectedParametrization",
    "Reframed",
    "RunCheckpoint",
    "RunEvents",
    "ScaleBytesd",
    "ScaleModalityd",
    "ScoreCalibration",
    "ScoreReport",
    "ScoresHandler",
    "SelfConsistentInferer",
    "SinglePassInferer",
    "StructuredReportWriter",
    "SuccessDetectionRate",
    "SuccessDetectionRateMetric",
    "TrainedModel",
    "TrainingLog",
    "TurnUprightd",
    "UserError",
    "ValidationOverlays",
    "ViewsInferer",
    "ViewsLoss",
    "WarpParametrization",
    "WaveletFlow",
    "WeightAverage",
    "XRayReader",
    "averaged_network",
    "bundle_root",
    "calibration_copies",
    "check_config",
    "check_training_folder",
    "checked_splits",
    "claim_run",
    "classes_by_extended_fingers",
    "component_config",
    "consistency_loss",
    "count_extended_fingers",
    "create_backbone",
    "cross_entropy",
    "denormalize_landmarks",
    "depth_to_image",
    "draw_landmarks",
    "fit_calibration",
    "flip_permutation",
    "gaussian_wasserstein",
    "gradient_ascent",
    "hand_inferer",
    "hand_size",
    "heatmap_divergence",
    "inference_copy",
    "initial_weights",
    "landmark_loss",
    "landmark_mse",
    "landmark_names",
    "landmark_set",
    "landmark_size",
    "landmarks_to_original",
    "list_images",
    "load_datalist",
    "load_dha",
    "load_digits",
    "load_freihand",
    "load_made_digits",
    "load_mnist_m_from",
    "load_nyu",
    "load_onehand10k",
    "load_rhpe",
    "load_rsna",
    "load_weights",
    "make_digits",
    "make_mnist_m",
    "mapped_joints",
    "merge_datalists",
    "mix_datalists",
    "native_bfloat16",
    "negative_log_likelihood",
    "nme",
    "normalize_landmarks",
    "normalized_mse",
    "pck",
    "pck_auc",
    "picture_size",
    "prediction_entropy",
    "prediction_shift",
    "prediction_variance",
    "radial_error",
    "random_appearance",
    "random_convolution",
    "read_annotations",
    "read_digits",
    "release_run",
    "render_faded_hand",
    "render_hand",
    "save_overlay_grid",
    "scalar_output",
    "shifted_copies",
    "shifted_digits",
    "show_short_errors",
    "source_bits_per_dim",
    "split_datalist",
    "stacked_from_engine",
    "success_detection_rate",
    "summarize_landmarks",
    "trained_network",
    "transport_cost",
    "write_annotations",
    "write_predictions",
    "write_synthetic_dataset",
]

#: Names of the past, and what they are called now.
_RENAMED = {"OneLookInferer": "SinglePassInferer"}


def __getattr__(name: str) -> object:
    """Find a public name of the past, with a warning."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import warnings

    message = f"monai_degia.{name} is now monai_degia.{_RENAMED[name]}; the old name goes with version 1.0."
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return globals()[_RENAMED[name]]
