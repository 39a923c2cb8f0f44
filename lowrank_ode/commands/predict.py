"""predict FILE: labels of images, by a network that was saved."""

from ..data import load as load_data
from ..results import write_whole
from ..storage import load
from .runs import check_new


def add_to(commands):
    p = commands.add_parser("predict", help="labels of images by a trained network",
                            description="Predict the labels of the test images with the network of "
                            "a file, and tell its accuracy.")
    p.set_defaults(run=run)
    p.add_argument("file", metavar="FILE", help="run.npz, of train --out run.json, or what "
                   "lowrank_ode.save wrote with a network")
    p.add_argument("--data", required=True, help="as of train; its test images are used")
    p.add_argument("--out", metavar="FILE.csv", help="write label and prediction of each image")
    p.add_argument("--overwrite", action="store_true", help="even if that file exists")


def run(args):
    if args.out is not None:
        check_new(args.out, args.overwrite)
    net, params, _ = load(args.file)
    if net is None:
        raise ValueError(f"{args.file}: without a network, expected one of save(path, params, net)")
    data = load_data(args.data)
    accuracy = net.accuracy(params, data.test_x, data.test_labels)
    labels = net.outputs(params, data.test_x).argmax(axis=1)
    print(f"data: {data.name}\nnetwork: {net}\n"
          f"test accuracy  {100 * accuracy:.2f} % of {len(labels)} images")
    if args.out is not None:
        lines = [f"{label},{found}\n" for label, found in zip(data.test_labels, labels,
                                                              strict=True)]
        write_whole(args.out, "".join(["label,prediction\n", *lines]).encode())
