from pipeline.report import charts


def line(*points, **rest):
    """A line through the points."""
    return charts.Line("bilstm", points, **rest)


def test_chart_puts_data_inside_its_axes():
    """The lowest and highest points lie inside the axes, the higher one further up."""
    made = charts.chart("T", "x", "y", [line((0, 1.0), (10, 3.0))])
    assert made.x(0) == charts.LEFT
    assert made.x(10) == charts.WIDTH - charts.RIGHT
    assert charts.TOP <= made.y(3.0) < made.y(1.0) <= charts.HEIGHT - charts.BOTTOM
    assert made.path(0) == f"M{made.x(0)} {made.y(1.0)}L{made.x(10)} {made.y(3.0)}"


def test_chart_of_one_point_or_a_level_line_has_scales():
    """No division by nothing."""
    made = charts.chart("T", "x", "y", [line((1, 0.5))], whole_x=True)
    assert charts.LEFT < made.x(1) < charts.WIDTH - charts.RIGHT
    assert charts.TOP < made.y(0.5) < charts.HEIGHT - charts.BOTTOM


def test_chart_lists_its_numbers():
    """One row for each x, with intervals, and nothing where a line has no point."""
    lines = [
        line((0, 81.25), (1, 90.0), intervals=[(80.0, 82.5), (88.0, 92.0)]),
        line((1, -3.0)),
    ]
    made = charts.chart("T", "x", "y", lines, categories=["short", "long"])
    assert made.rows() == [
        ("short", ["81.2 (80 to 82.5)", ""]),
        ("long", ["90 (88 to 92)", "\N{MINUS SIGN}3"]),
    ]


def test_chart_sets_lines_with_intervals_side_by_side():
    """Two models' intervals in one category don't hide each other."""
    pair = [line((0, 1.0), intervals=[(0.5, 1.5)]) for _ in range(2)]
    made = charts.chart("T", "x", "y", pair, categories=["short"])
    assert made.path(0) != made.path(1)
