"""Results files, and the texts that show them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import real_noncartesian, real_quantitative, results, table
from benchmarks.cases import CASES, by_name
from benchmarks.results import Row

ROW = Row(
    "gram-16x320x320-2d",
    "mriops",
    "",
    4.0,
    2.0,
    2e-7,
    3.0,
    60.0,
    4.0,
    0.5,
    0.2,
    9,
    "0.1",
    "Some CPU",
    "2000-01-01",
    "abc",
)


def _rows():
    plain = replace(ROW, peer="torch.fft", variant="plain", cpu_ms=20.0, wall_ms=9.0)
    quick = replace(plain, variant="in place", cpu_ms=16.0, wall_ms=8.0)
    return [ROW, plain, quick, replace(ROW, peer="sigpy", variant="Sense", cpu_ms=20.0, wall_ms=7.0, peak_mib=2.0)]


def test_the_readme_and_the_documentation_show_what_the_csv_says():
    assert table.outdated() == [], "run `python -m benchmarks table`"


def test_texts_carry_the_markers():
    for path in table.TEXTS:
        assert "<!-- benchmarks:" in path.read_text(), path.name


def test_round_trip(tmp_path):
    path = tmp_path / "cpu.csv"
    results.write(path, _rows())
    assert results.read(path) == _rows()
    assert results.read(tmp_path / "absent.csv") == []


def test_foreign_columns_are_refused(tmp_path):
    path = tmp_path / "cpu.csv"
    path.write_text("case,peer\na,b\n")
    with pytest.raises(ValueError, match="expected columns"):
        results.read(path)


def test_a_new_run_replaces_its_cases_only():
    other = replace(ROW, case="gram-16x320x320-1d", cpu_ms=1.0)
    merged = results.merge([*_rows(), other], [replace(ROW, cpu_ms=3.0)], [c.name for c in CASES])
    assert [(r.case, r.cpu_ms) for r in merged] == [("gram-16x320x320-2d", 3.0), ("gram-16x320x320-1d", 1.0)]


def test_the_texts_show_the_machine_with_the_most_cases(tmp_path, monkeypatch):
    rows = [*_rows(), replace(ROW, case="gram-16x320x320-1d")]
    part = [replace(row, cpu="another", date="9999-01-01") for row in rows if row.case == rows[0].case]
    for name, some in (("whole.csv", rows), ("part.csv", part)):
        results.write(tmp_path / name, some)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert {row.cpu for row in table.main_rows()} == {row.cpu for row in rows}
    results.write(tmp_path / "newer.csv", [replace(row, date="9999-01-01") for row in rows])
    assert {row.date for row in table.main_rows()} == {"9999-01-01"}


def test_memory_with_one_coil_at_a_time():
    ours = replace(ROW, case="nufft-forward-12x256x256-1e-03", variant="eps 1.0e-03", peak_mib=40.0)
    lean = replace(ours, variant="one coil at a time, eps 1.0e-03", cpu_ms=12.0, peak_mib=8.0)
    peers = [replace(ours, peer=name, cpu_ms=time, peak_mib=peak) for name, time, peak in (("a", 9, 9), ("b", 20, 7.5))]
    text = table.memory_table([[ROW], [ours, lean, *peers]])
    assert "| 40 MiB | 8 MiB | b 7.5 MiB | 3.0x | 5.0x |" in text
    # Neither other software nor the time of the operation.
    line = table.ratio_table([lean, ours, *peers]).splitlines()[2]
    assert "| 4 ms | 2 ms, 1.0x | 40 MiB, one coil at a time 8 (b 7.5) |" in line
    assert "No measurement" in table.memory_table([[ROW]])


def test_the_fastest_variant_counts():
    assert results.best_by_peer(_rows())["torch.fft"].variant == "in place"


def test_ratios_and_goals():
    text = table.ratio_table(_rows())
    assert "| 4 ms | **4.0x** | 5.0x (goal 6x) | 2 ms, 3.5x | 3 MiB (sigpy 2) | 2.0e-07 |" in text
    assert "Some CPU; 2000-01-01; commit `abc`" in text


def test_an_error_above_its_limit_is_shown_with_it():
    assert "| 2.0e-05 (goal 1e-06) |" in table.ratio_table([replace(ROW, error=2e-5)])
    assert table.ratio_table([replace(ROW, error=float("nan"))]).splitlines()[2].endswith("| - |")


def test_the_summary_names_the_fastest():
    text = table.summary_table(_rows(), names=["gram-16x320x320-2d"])
    assert "| 4 ms | torch.fft 4.0x | sigpy 5.0x | 2 ms, 3.5x | 2.0e-07 |" in text
    assert "goal" not in text
    assert "No measurement" in table.summary_table(_rows(), names=["gram-16x320x320-1d"])


def test_machines_stand_side_by_side():
    other = [replace(row, cpu="Other CPU", cpu_ms=row.cpu_ms / 2) for row in _rows()]
    other += [replace(ROW, case="gram-16x320x320-1d", cpu="Other CPU", cpu_ms=1.0)]
    text = table.machine_table([_rows(), other, []], names=["gram-16x320x320-2d", "gram-16x320x320-1d"])
    assert text.splitlines()[0] == "| work | Some CPU | Other CPU |"
    assert "2D mask | 4 ms, torch.fft 4.0x | 2 ms, torch.fft 4.0x |" in text
    assert "1D mask | - | 1 ms, - |" in text
    assert "Some CPU; 2000-01-01; commit `abc`" in text and "Other CPU; 2000" in text


def test_a_forward_pass_of_ours_is_no_other_software():
    rows = [ROW, replace(ROW, peer="forward", cpu_ms=2.0, wall_ms=1.0)]
    text = table.summary_table(rows, names=[ROW.case])
    assert "| 4 ms | - | - | 2 ms | 2.0e-07 |" in text


def test_loops_over_coils_have_a_column_of_their_own():
    loop = replace(ROW, peer="torch.fft", variant="coil loop", cpu_ms=8.0, wall_ms=4.0)
    text = table.ratio_table([*_rows(), loop])
    assert "| mriops | torch.fft | torch.fft, coil by coil | sigpy |" in text
    assert "| 4 ms | **4.0x** | 2.0x | 5.0x (goal 6x) | 2 ms, 2.0x | 3 MiB (sigpy 2) | 2.0e-07 |" in text


def test_families_have_tables_of_their_own():
    call = replace(ROW, case="overhead-forward")
    text = table.ratio_table([*_rows(), call, replace(call, peer="torch custom_op")])
    assert text.count("\n|---") == 2 and "| Cost of a call | mriops | torch custom_op |" in text


def test_every_case_is_in_one_family():
    assert {table.family_of(case.name) for case in CASES} == set(table._FAMILIES)
    with pytest.raises(ValueError, match="one family"):
        table.family_of("nufft")


def test_the_readme_shows_cases_that_exist():
    assert set(table._README_CASES) <= {case.name for case in CASES}


def test_without_results_the_table_says_so():
    assert "No measurement" in table.ratio_table([])
    assert "No measurement" in table.rate_table([])
    assert "No measurement" in table.variant_table([])


def test_rates_and_variants():
    assert "| 60.0 | 50% | 4.00 | 20% | 3.0 MiB | 3 MiB |" in table.rate_table(_rows())
    assert table.variant_table(_rows()).count("in place") == 1


def test_signs_are_explained_where_they_are_used():
    for text in (table.rate_table(_rows()), table.variant_table(_rows())):
        assert text.endswith("interleaved.\n") and "`x`" not in text and "Bold" not in text
    summary = table.summary_table(_rows(), names=[ROW.case])
    assert "`x` says" in summary and "Bold" not in summary
    assert "`x` says" in table.ratio_table(_rows()) and "Bold" in table.ratio_table(_rows())


def test_markers_are_filled_and_the_rest_is_kept():
    text = "a\n<!-- benchmarks:x:start -->\nold\n<!-- benchmarks:x:end -->\nb\n"
    filled = table.replace_tables(text, {"x": "new\n"})
    assert filled == "a\n<!-- benchmarks:x:start -->\nnew\n<!-- benchmarks:x:end -->\nb\n"
    assert table.replace_tables(filled, {"x": "new\n"}) == filled


def test_unknown_marker():
    with pytest.raises(ValueError, match="marker"):
        table.replace_tables("<!-- benchmarks:y:start -->\n<!-- benchmarks:y:end -->", {"x": ""})


def test_cases_by_prefix():
    assert [c.name for c in by_name(["overhead"])] == ["overhead-forward", "overhead-backward"]
    assert all(c.quick for c in by_name(None, quick=True))
    with pytest.raises(ValueError, match="'nothing'"):
        by_name(["nothing"])


def test_other_tables(tmp_path):
    path = tmp_path / "bindings.csv"
    path.write_text(
        "route,checks,forward_us,forward_backward_us,torch,cpu,date,commit\nA,yes,3.4,,2.13,Some CPU,2000-01-01,abc\n"
    )
    assert "| A | yes | 3.4 µs | - |" in table.bindings_table(path)
    assert "No measurement" in table.bindings_table(tmp_path / "absent.csv")
    path = tmp_path / "real_data.csv"
    path.write_text("scan,acceleration,sampled,method,nrmse,ssim\nbrain,2,0.5,mriops,0.0371,0.9818\n")
    assert "| brain | 2 | 0.037, 0.982 |" in table.real_data_table(path)
    assert "No measurement" in table.real_data_table(tmp_path / "absent.csv")


def test_rows_of_methods_that_did_not_run_stay(tmp_path: Path) -> None:
    measured = tmp_path / "measured.csv"
    assert real_quantitative.rows_of_others(measured, {"fit"}) == []
    rows = [real_noncartesian.Row("34 spokes", method, "white matter [s]", 1.025) for method in ("fit", "other")]
    real_noncartesian.write_rows(rows, measured)
    assert real_quantitative.rows_of_others(measured, {"fit"}) == rows[1:]
