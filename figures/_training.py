"""Training runs as tables want them: epochs chosen on validation images, results on test images."""

import numpy as np

from lowrank_ode import BUG, DLRT, AdaptiveBUG, Dense, ProjectorSplitting
from lowrank_ode.compression import pruned
from lowrank_ode.data import hold_out
from lowrank_ode.integrators import ABCPSI, FactorDescent, GeoLoRA, ParallelBUG, ProjectedRK
from lowrank_ode.nets import mlp
from lowrank_ode.substeps import euler
from lowrank_ode.training import train

# Integrators as trainers, at a fixed rank.
METHODS = {"projector splitting": lambda r: ProjectorSplitting(solve=euler),
           "BUG": lambda r: BUG(solve=euler),
           "adaptive BUG": lambda r: AdaptiveBUG(0, max_rank=r, solve=euler),
           "DLRT": lambda r: DLRT(0, max_rank=r),
           "parallel BUG": lambda r: ParallelBUG(0, max_rank=r, solve=euler),
           "GeoLoRA": lambda r: GeoLoRA(0, max_rank=r), "projected Euler": lambda r: ProjectedRK(1),
           "abc-PSI": lambda r: ABCPSI(0, max_rank=r, solve=euler),
           "vanilla": lambda r: FactorDescent(), "dense": lambda r: Dense(euler)}


def dlrt_or_dense(tau):
    return Dense(euler) if tau is None else DLRT(tau)


def network(data, widths):
    return mlp([data.x.shape[1], *widths, data.classes])


def dense_start_cut(net, rank, rng):
    """A random dense start, its hidden layers cut to this rank: singular values as those of a
    random matrix fall, not all alike."""
    return pruned(net.init(rng, dtype=np.float32), rank)


def best_on_validation(net, start, data, method, lr, batch, epochs, seed, drop=0.0):
    """Train on 5/6 of the training images; the epoch with the highest accuracy on the other 1/6,
    and its accuracy on the test images.

    The seed draws the images held out, and the batches.
    """
    return best_and_params(net, start, data, method, lr, batch, epochs, seed, drop)[0]


def best_and_params(net, start, data, method, lr, batch, epochs, seed, drop=0.0):
    """`best_on_validation`, and the parameters of this epoch, to go on from."""
    records, best = [], None
    for record in train(net, start, hold_out(data, 1 / 6, seed), method, lr, batch, epochs,
                        seed, drop=drop):
        records.append(record.summary())
        if best is None or record.accuracy > best.accuracy:
            best = record
    return {"epoch": best.epoch, "validation": best.accuracy,
            "accuracy": net.accuracy(best.params, data.test_x, data.test_labels),
            "ranks": best.ranks, "records": records}, best.params


def best_within(weights, runs):
    """Of the runs with no more weights the best on validation images; None if there is none."""
    return max((run for run in runs if run["weights"] <= weights),
               key=lambda run: run["validation"], default=None)


def margins(published, runs):
    """{name: by how many points ours is ahead, None if there is none} of published networks {name:
    (weights, accuracy in %)}: ours is the `best_within` their weights, its accuracy in %, too."""
    found = {}
    for name, (weights, accuracy) in published.items():
        own = best_within(weights, runs)
        found[name] = own and round(own["accuracy"] - accuracy, 9)      # a tie is one
    return found


RECIPE = "drop", "lr", "batch", "epochs"
RECIPES = ("| inputs dropped | step sizes | batch | epochs | accuracy on validation images, % "
           "| on test images, % |")


def rows_of_recipes(runs):
    """Rows of a Markdown table of (recipe, result of `best_on_validation`)."""
    for recipe, found in runs:
        lr = ", ".join(map(str, np.atleast_1d(recipe["lr"])))
        halved = f", halved: {found['halved']}" if "halved" in found else ""
        yield (f"| {recipe['drop'] or 'none'} | {lr}{halved} | {recipe['batch']} | "
               f"{recipe['epochs']} | {100 * found['validation']:.2f} | "
               f"{100 * found['accuracy']:.2f} |")


def mean_and_deviation(values):
    """Mean and standard deviation of a sample; 0 for a sample of one."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
