"""Draws which part of an array lies on which device, as a table of text."""
from __future__ import annotations

from runtime.array import concrete
from runtime.tiling import check_shape, tiles_of


def table(sharding, shape: tuple[int, ...]) -> str:
    """Return a table with a cell for each part of an array of rank one or two; the numbers are those of its devices."""
    check_shape(sharding, shape)
    grid, parts = tiles_of(sharding, len(shape))
    holders: dict[int, list[str]] = {}
    platform = sharding._device_assignment[0].platform.upper()
    for device, part in zip(sharding._device_assignment, parts.tolist()):
        holders.setdefault(part, []).append(str(device.id))
    rows, columns = (1, *grid) if len(grid) == 1 else grid
    cells = [[f"{platform} {','.join(holders[i * columns + j])}" for j in range(columns)] for i in range(rows)]
    width = max(len(cell) for row in cells for cell in row) + 2
    bars = ["─" * width] * columns

    def rule(left, middle, right):
        return left + middle.join(bars) + right
    lines = [rule("┌", "┬", "┐")]
    for i, row in enumerate(cells):
        lines += ["│" + "│".join(cell.center(width) for cell in row) + "│",
                  rule("└", "┴", "┘") if i == rows - 1 else rule("├", "┼", "┤")]
    return "\n".join(lines)


def visualize_sharding(shape, sharding, *, use_color: bool = True, scale: float = 1.0, min_width: int = 9,
                       max_width: int = 80, color_map=None) -> None:
    """Print which devices hold which part of an array of a shape, of rank one or two (ValueError otherwise).

    The drawing is plain text: ``use_color``, ``color_map``, ``scale`` and the widths change nothing.
    """
    if len(shape) not in (1, 2):
        raise ValueError(f"`visualize_sharding` only works for shapes with 1 and 2 dimensions, got {tuple(shape)}")
    print(table(sharding, tuple(shape)))


def visualize_array_sharding(arr, **kwargs) -> None:
    """Print which devices hold which part of an array of rank one or two."""
    visualize_sharding(arr.shape, concrete(arr, "visualize_array_sharding")._sharding, **kwargs)


__all__ = ["visualize_array_sharding", "visualize_sharding"]
