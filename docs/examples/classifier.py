"""A MONAI classifier and a plain `SupervisedTrainer`, with rounds of maximisation attached as one handler.

The network learns bright shapes on a dark background and is evaluated on dark shapes on a bright one, and on shapes in
uneven light. Only what stands between the marks was added to a training script that was there before.
"""

from __future__ import annotations

import tempfile

import torch
from ignite.metrics import Accuracy
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.networks.nets import Classifier
from monai.utils import set_determinism
from shapes import CLASSES, DOMAINS, SIDE, shapes

import monai_degia

EPOCHS, ITERATIONS, BATCH = 12, 30, 32


def accuracy(network: torch.nn.Module, domain: str) -> float:
    """Accuracy on 300 new shapes."""
    loader = DataLoader(Dataset(shapes(300, domain, seed=1)), batch_size=100)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=loader,
        network=network,
        prepare_batch=monai_degia.PrepareClassBatch(),
        key_val_metric={"accuracy": Accuracy(output_transform=lambda output: (output["pred"], output["label"]))},
        decollate=False,
    )
    evaluator.run()
    return evaluator.state.metrics["accuracy"]


def train(folder: str, maximize: bool) -> torch.nn.Module:
    """The same training with and without the handler."""
    set_determinism(0)
    network = Classifier(in_shape=(1, SIDE, SIDE), classes=len(CLASSES), channels=(8, 16, 32), strides=(2, 2, 2))
    dataset = monai_degia.GrowingDataset(shapes(300), pool_dir=folder, target_key="target")
    sampler = monai_degia.GrowingSampler(dataset, num_draws=ITERATIONS * BATCH, source_share=0.5)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=EPOCHS,
        train_data_loader=DataLoader(dataset, batch_size=BATCH, sampler=sampler),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 2e-3),
        loss_function=torch.nn.CrossEntropyLoss(),
        prepare_batch=monai_degia.PrepareClassBatch(),
        decollate=False,
    )
    if maximize:
        # >>> what is new: an objective without a flow, an ascent over pixels, and the handler that runs it
        objective = monai_degia.AscentObjective(
            network, task_loss=monai_degia.cross_entropy, nll_weight=0.0, alpha=0.0, prediction=torch.nn.Softmax(1)
        )
        ascent = monai_degia.AdversarialAscent(
            objective, parametrization="reflected", rule="sobolev", steps=10, step_size=0.2
        )
        maximizer = monai_degia.AdversarialMaximizer(
            dataset, ascent, "cpu", num_images=300, prepare_batch=monai_degia.PrepareClassBatch()
        )
        monai_degia.MaximizationHandler(maximizer).attach(trainer)
        # <<<
    trainer.run()
    return network


def main() -> None:
    """Train both ways and print accuracies."""
    print("training           " + "".join(f"{domain:>10s}" for domain in DOMAINS))
    for name, maximize in (("plain", False), ("with maximisation", True)):
        with tempfile.TemporaryDirectory() as folder:
            network = train(folder, maximize)
        print(f"{name:19s}" + "".join(f"{100 * accuracy(network, domain):9.1f}%" for domain in DOMAINS))


if __name__ == "__main__":
    main()
