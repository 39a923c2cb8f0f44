"""compress --weights FILE: weights of any framework cut to low rank, within a budget."""

from ..archives import check_ending, read_arrays, write_arrays
from ..compression import METHODS, compressed, multiplied_out
from ..results import write_json
from .plot import check_plot, plot_report
from .runs import check_new

WITHOUT_DATA = {method.__name__: method for method in METHODS
                if method.low_rank and not method.uses_data}


def add_to(commands):
    p = commands.add_parser("compress", help="cut weights of any framework to low rank",
                            description="Cut the weights in a file of named arrays to low rank, "
                            "within a budget: matrices and kernels; other arrays stay, and count. "
                            "Prints rank and relative error of each.")
    p.set_defaults(run=run)
    p.add_argument("--weights", metavar="FILE.npz|.safetensors", required=True)
    p.add_argument("--layout", choices=["torch", "keras"], default="torch",
                   help="of the arrays: (out, in), (out, in, k, k), or (in, out), (k, k, in, out) "
                   "(default %(default)s)")
    p.add_argument("--method", choices=WITHOUT_DATA, default="alds",
                   help="how ranks are chosen (default %(default)s)")
    p.add_argument("--budget", type=_number, required=True,
                   help="of numbers: a part in (0, 1], as 0.2, or so many, as 100000")
    p.add_argument("--out", metavar="FILE.npz|.safetensors", required=True,
                   help="the same names and shapes, multiplied out: to be loaded where the weights "
                   "came from")
    p.add_argument("--factors", action="store_true",
                   help="two factors in place of each weight, NAME.K (out, rank) and NAME.V "
                   "(in, rank), K Vᵀ, inputs of kernels in the order row, column, channel; with k "
                   "groups of channels NAME.0.K, …")
    p.add_argument("--report", metavar="FILE.json", help="write ranks and errors here, too")
    p.add_argument("--plot", metavar="FILE.png|pdf|svg", help="draw rank and error of each weight")
    p.add_argument("--overwrite", action="store_true", help="even if these files exist")


def run(args):
    check_ending(args.out)
    for path in filter(None, (args.out, args.report)):
        check_new(path, args.overwrite)
    if args.plot:
        check_plot(args.plot)
    arrays, texts = read_arrays(args.weights)
    parts, report = compressed(arrays, WITHOUT_DATA[args.method], args.budget, args.layout)
    found = factors(arrays, parts) if args.factors else multiplied_out(arrays, parts, args.layout)
    write_arrays(args.out, found, texts)
    if args.report:
        write_json(args.report, report.summary())
    if args.plot:
        plot_report(args.plot, report)
    print(report)


def factors(arrays, parts):
    """{name: array} with the factors of the parts in the places of weights."""
    found = {}
    for name, X in arrays.items():
        own = parts.get(name) or ()
        names = [name] if len(own) == 1 else [f"{name}.{k}" for k in range(len(own))]
        for part, W in zip(names, own, strict=True):
            found |= {f"{part}.K": W.U @ W.S, f"{part}.V": W.V}
        if not own:
            found[name] = X
    return found


def _number(text):
    """A whole number, or a part."""
    return int(text) if text.isdigit() and int(text) != 1 else float(text)
