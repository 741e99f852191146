"""`python -m benchmarks.radices`: see the package."""

import sys

from benchmarks.compiled import supported_isas
from benchmarks.radices import LENGTHS, compare, measure


def main(words: list[str]) -> None:
    """Print a table for each instruction set."""
    lengths = tuple(int(word) for word in words) or LENGTHS
    if min(lengths) < 2:
        raise SystemExit(f"LENGTH: expected integers of at least 2, got {min(lengths)}")
    for isa in supported_isas():
        rows = compare(measure(isa, lengths))
        print(f"{isa}\n length  chosen            ns/row   fastest           ns/row  ratio")
        for length, (chosen, best) in rows.items():
            texts = ["x".join(str(r) for r in chain.radices) for chain in (chosen, best)]
            print(
                f"{length:7d}  {texts[0]:16s} {chosen.time:7.2f}   {texts[1]:16s} {best.time:7.2f}  "
                f"{chosen.time / best.time:5.3f}"
            )
        mean = sum(chosen.time / best.time for chosen, best in rows.values()) / max(1, len(rows))
        print(f"mean ratio {mean:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
