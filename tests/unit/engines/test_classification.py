"""A two-phase run on classes: the same trainer and maximiser, with accuracy as the key metric."""

import operator
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.metrics import Accuracy
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import ValidationHandler, from_engine
from torch import nn

from monai_degia.ascent.adversarial import AdversarialAscent
from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.sampler import GrowingSampler
from monai_degia.engines.batches import PrepareClassBatch
from monai_degia.engines.checkpoints import BestModelSaver
from monai_degia.engines.handlers import EpochSeedHandler, MaximizationHandler
from monai_degia.engines.maximizer import AdversarialMaximizer
from monai_degia.engines.trainer import DeGIATrainer
from monai_degia.losses.classification import ClassificationLoss, cross_entropy
from monai_degia.losses.objective import AscentObjective
from monai_degia.networks.digit_lenet import DigitLeNet

SIDE = 16


def bars(count: int, seed: int) -> list[dict[str, Any]]:
    """Images of three kinds: a bar along x, along y, or none."""
    generator = torch.Generator().manual_seed(seed)
    items = []
    for i in range(count):
        image, place = 0.2 * torch.rand(1, SIDE, SIDE, generator=generator), 3 + i % 10
        if i % 3 == 0:
            image[:, :, place] = 1.0
        elif i % 3 == 1:
            image[:, place, :] = 1.0
        items.append({"image": image, "target": i % 3, "class": i % 3})
    return items


class Run:
    def __init__(self, folder: Path, epochs: int, **objective: Any) -> None:
        torch.manual_seed(1)
        self.network = DigitLeNet(1, 3, (SIDE, SIDE), channels=(8, 16), hidden_features=(32,))
        self.dataset = GrowingDataset(bars(30, 0), pool_dir=folder / "pool", max_generated=100, target_key="target")
        options = {"nll_weight": 0.0, "alpha": 0.0, "prediction": nn.Softmax(dim=1), "feature_weight": 1.0}
        climbed = AscentObjective(self.network, task_loss=cross_entropy, **{**options, **objective})
        prepare = PrepareClassBatch()
        self.maximizer = AdversarialMaximizer(
            self.dataset, AdversarialAscent(climbed, steps=2), "cpu", num_images=6, prepare_batch=prepare
        )
        output = from_engine(["pred", "label"])
        self.best = BestModelSaver(folder / "model.pt", self.network, operator.gt)
        self.evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(Dataset(bars(16, 1)), batch_size=5),
            network=self.network,
            prepare_batch=prepare,
            key_val_metric={"val_accuracy": Accuracy(output_transform=output)},
            metric_cmp_fn=operator.gt,
            val_handlers=[self.best],
            decollate=False,
        )
        sampler = GrowingSampler(self.dataset, num_draws=96, source_share=0.5)
        self.trainer = DeGIATrainer(
            device="cpu",
            max_epochs=epochs,
            train_data_loader=DataLoader(self.dataset, batch_size=16, sampler=sampler),
            network=self.network,
            optimizer=torch.optim.Adam(self.network.parameters(), 5e-3),
            loss_function=ClassificationLoss(),
            prepare_batch=prepare,
            key_train_metric={"train_accuracy": Accuracy(output_transform=output)},
            train_handlers=[
                EpochSeedHandler(0, self.dataset),
                ValidationHandler(validator=self.evaluator, interval=1, epoch_level=True),
                MaximizationHandler(self.maximizer),
            ],
            decollate=False,
        )

    def accuracy(self) -> float:
        images = torch.stack([item["image"] for item in bars(16, 1)])
        with torch.no_grad():
            guessed = self.network.eval()(images).argmax(1)
        return float((guessed == torch.tensor([i % 3 for i in range(16)])).float().mean())


def test_the_run_learns_grows_and_reports(tmp_path: Path) -> None:
    run = Run(tmp_path, epochs=16)
    run.trainer.run()

    assert run.trainer.state.metrics["train_accuracy"] > 0.9
    assert run.evaluator.state.metrics["val_accuracy"] == run.accuracy() > 0.9
    assert run.dataset.num_generated == 90 and run.dataset.rounds == 15


def test_generated_images_keep_their_class(tmp_path: Path) -> None:
    run = Run(tmp_path, epochs=1)
    run.maximizer.run()
    pool = run.dataset.pool
    assert pool is not None and pool.target_dtype == "int64"
    for i in range(6):
        assert pool[i]["target"] == pool[i]["class"] == pool[i]["source"] % 3


def test_the_best_epoch_is_that_of_the_highest_accuracy(tmp_path: Path) -> None:
    run = Run(tmp_path, epochs=4)
    seen: list[float] = []
    run.evaluator.add_event_handler("EPOCH_COMPLETED", lambda e: seen.append(e.state.metrics["val_accuracy"]))
    run.trainer.run()
    assert len(seen) == 4 and max(seen) > min(seen), "vacuous: all epochs alike"
    assert run.best.best == max(seen) and run.best.epoch == seen.index(max(seen)) + 1
    run.network.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert run.accuracy() == max(seen)


def test_labels_beyond_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, epochs=1)
    run.network.output = nn.Linear(32, 2)
    run.trainer.logger.disabled = True
    with pytest.raises(ValueError, match="knows classes 0 to 1, the labels hold 0 to 2"):
        run.trainer.run()
